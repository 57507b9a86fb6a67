// The system calls of the simulated world. Read before every simulated file
// (cc -include): the real headers first, for their types, then new names.
#ifndef SIMULATION_SYSTEM_H
#define SIMULATION_SYSTEM_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/uio.h>
#include <unistd.h>

int sim_sem_init(sem_t *s, int shared, unsigned value);
int sim_sem_destroy(sem_t *s);
int sim_sem_wait(sem_t *s);
int sim_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until);
int sim_sem_timedwait(sem_t *s, const struct timespec *until);
int sim_sem_post(sem_t *s);

int sim_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);
int sim_mutex_destroy(pthread_mutex_t *m);
int sim_mutex_lock(pthread_mutex_t *m);
int sim_mutex_unlock(pthread_mutex_t *m);
int sim_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr);
int sim_cond_destroy(pthread_cond_t *c);
int sim_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int sim_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                       const struct timespec *until);
int sim_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                       const struct timespec *until);
int sim_cond_signal(pthread_cond_t *c);
int sim_cond_broadcast(pthread_cond_t *c);

int sim_clock_gettime(clockid_t clock, struct timespec *now);
int sim_sched_yield(void);
pthread_t sim_pthread_self(void);
pid_t sim_gettid(void);
int sim_sigmask(int how, const sigset_t *set, sigset_t *before);
void *sim_malloc(size_t size);
void *sim_calloc(size_t n, size_t each);
void *sim_realloc(void *p, size_t size);
void sim_free(void *p);
ssize_t sim_writev(int fd, const struct iovec *piece, int n);
void sim_abort(void) __attribute__((noreturn));
void sim_assert_fail(const char *what, const char *file, unsigned line,
                     const char *function) __attribute__((noreturn));
#ifndef SIM_KEEP_THE_REAL_NAMES     // simulation/system.c keeps them
#define sem_init sim_sem_init
#define sem_destroy sim_sem_destroy
#define sem_wait sim_sem_wait
#define sem_clockwait sim_sem_clockwait
#define sem_timedwait sim_sem_timedwait
#define sem_post sim_sem_post
#define pthread_mutex_init sim_mutex_init
#define pthread_mutex_destroy sim_mutex_destroy
#define pthread_mutex_lock sim_mutex_lock
#define pthread_mutex_unlock sim_mutex_unlock
#define pthread_cond_init sim_cond_init
#define pthread_cond_destroy sim_cond_destroy
#define pthread_cond_wait sim_cond_wait
#define pthread_cond_timedwait sim_cond_timedwait
#define pthread_cond_clockwait sim_cond_clockwait
#define pthread_cond_signal sim_cond_signal
#define pthread_cond_broadcast sim_cond_broadcast
#define pthread_self sim_pthread_self
#define pthread_sigmask sim_sigmask
#define gettid sim_gettid
#define clock_gettime sim_clock_gettime
#define sched_yield sim_sched_yield
#define malloc sim_malloc
#define calloc sim_calloc
#define realloc sim_realloc
#define free sim_free
#define writev sim_writev
#define abort sim_abort
#define __assert_fail sim_assert_fail
#endif

#define GF_CROWD 1
#define GF_SPIN_PAUSES 1
#define GF_SPIN_YIELDS 1

#endif  // SIMULATION_SYSTEM_H
