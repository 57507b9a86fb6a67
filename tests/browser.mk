# The woven pages in Chromium. npm puts what tests/book/package-lock.json names into build/browser, nowhere else.
.PHONY: browser
browser: weave build/browser/node_modules/.package-lock.json ## the woven pages in Chromium, and whether its checks see what is broken (ONLY=word)
	@node tests/book/browser.mjs $(if $(ONLY),--only "$(ONLY)")
	@node tests/book/mutations.mjs $(if $(ONLY),--only "$(ONLY)")
build/browser/node_modules/.package-lock.json: tests/book/package.json tests/book/package-lock.json tests/book/.npmrc
	@mkdir -p build/browser && cp $^ build/browser/ && cd build/browser && npm ci --no-audit --no-fund --loglevel=error >/dev/null || \
	  { echo "browser: npm could not fetch playwright-core and axe-core (above): it needs its registry, and behind a proxy that signs for itself npm config set cafile" >&2; exit 1; }
