# What scripts/run and scripts/test share. Sourced, with the repository's root as the working folder.

TAURI_DRIVER=2.1.0
NODE_NEEDED=20.19.0

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
export CHECKPOINT_DISABLE=1 NO_UPDATE_NOTIFIER=1

step_names=()
step_results=()
failed_steps=0

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step "what" command...: runs it, says how long it took, remembers how it ended.
step() {
  local name=$1 started=$SECONDS code=0
  shift
  say "$name"
  "$@" || code=$?
  local took=$((SECONDS - started))
  step_names+=("$name")
  if ((code == 0)); then
    step_results+=("passed in ${took} s")
    say "$name: passed in ${took} s"
  else
    step_results+=("FAILED (exit $code) after ${took} s")
    failed_steps=$((failed_steps + 1))
    say "$name: FAILED (exit $code) after ${took} s"
  fi
  return 0
}

# needed "what" command...: a step without which the others mean nothing.
needed() {
  local before=$failed_steps
  step "$@"
  ((failed_steps == before)) || { summary; exit 1; }
}

summary() {
  echo
  say "Summary"
  local place
  for place in "${!step_names[@]}"; do
    printf '  %-44s %s\n' "${step_names[$place]}" "${step_results[$place]}"
  done
  echo
  echo "$((${#step_names[@]} - failed_steps)) passed, $failed_steps failed"
}

# at_least FOUND NEEDED: compares dotted versions.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

is_debian() { command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; }
is_mac() { [[ $(uname -s) == Darwin ]]; }

check_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
  found=$(rustc --version 2>/dev/null | cut -d' ' -f2 || true)
  if [[ -n $found ]] && at_least "${found%%-*}" "$wanted" && command -v cargo >/dev/null; then
    echo "Rust $found"
    return
  fi
  echo "Rust $wanted or newer is needed; found: ${found:-none}." >&2
  if is_mac; then
    echo "Install it with: xcode-select --install; brew install rustup; rustup default stable" >&2
  else
    echo "Install it with your rustup: rustup update stable. Without rustup: Debian/Ubuntu apt-get install rustup, Fedora dnf install rustup, Arch pacman -S rustup; then rustup default stable" >&2
  fi
  return 1
}

check_node() {
  local found
  found=$(node --version 2>/dev/null | tr -d v || true)
  if [[ -n $found ]] && at_least "$found" "$NODE_NEEDED" && command -v npm >/dev/null; then
    echo "Node $found, npm $(npm --version 2>/dev/null)"
    return
  fi
  echo "Node $NODE_NEEDED or newer with npm is needed; found: ${found:-none}." >&2
  if is_mac; then
    echo "Install it with: brew install node@22" >&2
  else
    echo "Install it with a version manager (fnm install 22, nvm install 22), Fedora dnf install nodejs, Arch pacman -S nodejs npm; Debian 12's own package is too old" >&2
  fi
  return 1
}

# What building needs; testing needs more (test_packages).
build_packages=(build-essential pkg-config libwebkit2gtk-4.1-dev librsvg2-dev libssl-dev ca-certificates python3 python3-pip)
window_packages=(xvfb webkit2gtk-driver)
test_packages=(chromium gnome-keyring dbus libglib2.0-bin pgbouncer postgresql-15 postgresql-contrib iproute2 tcpdump openssh-client openssh-server openssl procps util-linux)

# install_packages NAME...: on Debian and its kin, what dpkg does not know as installed.
install_packages() {
  if ! is_debian; then
    if is_mac; then
      xcode-select -p >/dev/null 2>&1 || { echo "The compiler is missing. Install it with: xcode-select --install" >&2; return 1; }
      command -v python3 >/dev/null || { echo "python3 with pip is missing. Install it with: brew install python" >&2; return 1; }
    else
      echo "Not Debian: these are expected to be there under their local names: $*"
      echo "Fedora: dnf install webkit2gtk4.1-devel librsvg2-devel openssl-devel gcc gcc-c++ python3-pip; Arch: pacman -S webkit2gtk-4.1 librsvg base-devel python-pip"
    fi
    return 0
  fi
  local missing=() package
  for package in "$@"; do
    [[ $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "all system packages are there"
    return
  fi
  echo "installing: ${missing[*]}"
  local root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "Not root and no sudo. Install them with: apt-get install ${missing[*]}" >&2; return 1; }
    root=(sudo)
  fi
  "${root[@]}" apt-get update -qq || return 1
  # The lab starts servers of its own; the distribution's must not start one at install time.
  if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
    "${root[@]}" mkdir -p /etc/postgresql-common/createcluster.d || return 1
    echo 'create_main_cluster = false' | "${root[@]}" tee /etc/postgresql-common/createcluster.d/drydock.conf >/dev/null || return 1
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || return 1
  # Installed for the lab alone, so the distribution's own sshd does not listen.
  if [[ " ${missing[*]} " == *" openssh-server "* && -d /run/systemd/system ]]; then
    "${root[@]}" systemctl disable --quiet --now ssh || return 1
  fi
}

install_ui() {
  [[ -f ui/package.json ]] || { echo "ui/package.json is missing" >&2; return 1; }
  if [[ -d ui/node_modules && -f ui/node_modules/.drydock && $(cat ui/node_modules/.drydock) == "$(cksum ui/package-lock.json)" ]]; then
    echo "the UI's packages are there"
    return
  fi
  npm --prefix ui ci --no-audit --no-fund --loglevel=error && cksum ui/package-lock.json > ui/node_modules/.drydock
}

install_e2e() {
  [[ -f tests/e2e/package.json ]] || { echo "tests/e2e has no packages of its own"; return 0; }
  if [[ -d tests/e2e/node_modules && -f tests/e2e/node_modules/.drydock && $(cat tests/e2e/node_modules/.drydock) == "$(cksum tests/e2e/package-lock.json)" ]]; then
    echo "the window tests' packages are there"
    return
  fi
  npm --prefix tests/e2e ci --no-audit --no-fund --loglevel=error && cksum tests/e2e/package-lock.json > tests/e2e/node_modules/.drydock
}

install_tauri_driver() {
  if [[ -x target/tools/bin/tauri-driver && -f target/tools/.crates.toml ]] && grep -q "tauri-driver $TAURI_DRIVER " target/tools/.crates.toml; then
    echo "tauri-driver $TAURI_DRIVER is there"
    return
  fi
  cargo install tauri-driver --locked --version "=$TAURI_DRIVER" --root target/tools --target-dir target/tools/build --quiet
}

has_display() { is_mac || [[ -n ${DISPLAY:-} || -n ${WAYLAND_DISPLAY:-} ]]; }

# in_window command...: with tauri-driver at hand, in an invisible display of its own where there is Xvfb.
in_window() {
  local path="$PWD/target/tools/bin:$PATH"
  if ! command -v Xvfb >/dev/null; then
    PATH="$path" "$@"
    return
  fi
  (
    folder=$(mktemp -d)
    Xvfb -displayfd 3 -screen 0 1920x1080x24 -nolisten tcp 3>"$folder/display" 2>"$folder/log" &
    server=$!
    trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
    for ((tenths = 0; tenths < 150; tenths++)); do
      [[ ! -s $folder/display ]] || break
      sleep 0.1
    done
    [[ -s $folder/display ]] || die "the invisible display did not start: $(cat "$folder/log")"
    DISPLAY=":$(<"$folder/display")" PATH="$path" "$@"
  )
}
