// Ours: put before each file of the port (-include) when it goes into CPython; it
// leaves the object's name in a section that is loaded with the program.
static const char graft_marker[] __attribute__((section("groundfloor"), used)) = GRAFT_MARK;
