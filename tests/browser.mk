# The woven pages in Chromium. npm puts what tests/book/package-lock.json names into build/browser, nowhere else.
.PHONY: browser
browser: build/browser/node_modules/.package-lock.json ## the woven pages in Chromium, and whether its checks see what is broken (ONLY=word)
	@node tests/book/browser.mjs $(if $(ONLY),--only "$(ONLY)")
	@$(if $(ONLY),,node tests/book/mutations.mjs)
build/browser/node_modules/.package-lock.json: tests/book/package.json tests/book/package-lock.json tests/book/.npmrc
	@mkdir -p build/browser && cp $^ build/browser/ && cd build/browser && npm ci --no-audit --no-fund --loglevel=error >/dev/null
