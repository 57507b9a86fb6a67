# The woven pages in Chromium. npm puts what tests/book/package-lock.json names into build/browser, nowhere else. `make check` goes on
# without, saying so, where npm cannot fetch it.
NPM := build/browser/node_modules/.package-lock.json
.PHONY: browser
browser: weave  ## the woven pages in Chromium, and whether its checks see what is broken (ONLY=word)
	@$(MAKE) --no-print-directory $(NPM) || { echo "browser: nobody looked at the pages: npm could not fetch playwright-core and axe-core (above);" \
	  "it needs its registry, and behind a proxy that signs for itself npm config set cafile" >&2; exit $(if $(filter check,$(MAKECMDGOALS)),0,1); }
	@test ! -e $(NPM) || { node tests/book/browser.mjs $(if $(ONLY),--only "$(ONLY)") && node tests/book/mutations.mjs $(if $(ONLY),--only "$(ONLY)"); }
$(NPM): tests/book/package.json tests/book/package-lock.json tests/book/.npmrc
	@mkdir -p build/browser && cp $^ build/browser/ && cd build/browser && npm ci --no-audit --no-fund --loglevel=error >/dev/null
