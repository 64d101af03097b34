# shellcheck shell=bash
# Installs what the tests need in addition to the build. Sourced after lib.sh.

# Real servers and a real browser: the tests start them on free ports, in temporary folders.
# faketime changes the clocks of processes; libvips and ImageMagick check that other programs can open our results; cjpeg and djpeg
# (libjpeg-turbo) make JPEGs of all kinds and decode them for comparison.
TEST_PACKAGES=(zookeeper default-jre-headless postgresql libvips-tools imagemagick faketime libjpeg-turbo-progs)

test_packages() {
    local packages=("${TEST_PACKAGES[@]}")
    has "${CHROMIUM:-chromium}" || packages+=(chromium)
    has node && has npm || packages+=(nodejs npm)
    has shellcheck || packages+=(shellcheck)
    python_can_venv || packages+=(python3 python3-venv)
    apt_install "make test" "${packages[@]}"
    new_enough_node || die "The browser tests need Node.js 20.15 or newer, and this is $(node --version)." \
        "Install it from https://nodejs.org (Debian 12 and older ship 18), then run this again."
}

# zlib.crc32 is new in 20.15; Playwright requires 20.
new_enough_node() { [ "$(node -p 'typeof require("zlib").crc32')" = function ]; }

python_can_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# The S3 server (moto) and OpenCV, the reference for results, in .venv: a link into the cache, so that a new clone has them at once.
python_packages() {
    local key venv
    key="$( (cat scripts/requirements.txt && python3 --version) | cksum | cut -d ' ' -f 1)"
    venv="$CACHE/venv-$key"
    if ! [ -f "$venv/complete" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --requirement scripts/requirements.txt </dev/null ||
            die "pip could not install the packages in scripts/requirements.txt: moto (an S3 server), OpenCV and others. The tests need them."
        touch "$venv/complete"
    fi
    if [ -e .venv ] && ! [ -L .venv ]; then
        die ".venv exists and is not a link into $CACHE, which the tests need there. Please move it away."
    fi
    ln -sfn "$venv" .venv
}

npm_packages() {
    if cmp -s end2end/package-lock.json end2end/node_modules/.installed; then return; fi
    (
        cd end2end
        # The tests use Debian's browser; Playwright must not download its own.
        PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error </dev/null
    ) || die "npm could not install the packages in end2end/package-lock.json: Playwright and axe. The browser tests need both."
    cp end2end/package-lock.json end2end/node_modules/.installed
}
