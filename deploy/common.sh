# Shared by deploy/demo, deploy/lab, tests/run and the end-to-end tests; source it, do not run it.
#
#   step/note/warn/die   progress for people: colour only on a terminal, NO_COLOR honoured,
#                        steps and notes silent after QUIET=1; die prints "error: ..." and exits 1
#   ensure_packages      installs what deploy/dependencies lists and the machine lacks
#   ensure_build T...    configures once, then builds targets T (default: all) into $BUILD_DIR
#   ensure_can_lab       exits 77 unless network namespaces can be made here
#   wait_until SECONDS COMMAND...   polls COMMAND until it succeeds or the time is over
#
# Sets ROOT, BUILD_DIR (override: PARALLAX_BUILD_DIR), BIN, PYTHON. Expects bash with set -u.

set -o pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_DIR=${PARALLAX_BUILD_DIR:-$ROOT/build}
BIN=$BUILD_DIR/bin
# Not the first python3 of PATH: that may be somebody's virtual environment.
# shellcheck disable=SC2034
PYTHON=/usr/bin/python3
QUIET=${QUIET:-0}
PATH=$PATH:/usr/sbin:/sbin

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  BOLD=$'\e[1m' BLUE=$'\e[1;34m' GREEN=$'\e[32m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  BOLD='' BLUE='' GREEN='' DIM='' PLAIN=''
fi
if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  RED=$'\e[1;31m' PLAIN2=$'\e[0m'
else
  RED='' PLAIN2=''
fi

step() { ((QUIET)) || printf '%s==>%s %s%s%s\n' "$BLUE" "$PLAIN" "$BOLD" "$*" "$PLAIN"; }
note() { ((QUIET)) || printf '    %s\n' "$*"; }
good() { ((QUIET)) || printf '    %s%s%s\n' "$GREEN" "$*" "$PLAIN"; }
dim() { ((QUIET)) || printf '    %s%s%s\n' "$DIM" "$*" "$PLAIN"; }
warn() { printf '%swarning:%s %s\n' "$RED" "$PLAIN2" "$*" >&2; }
fail() { printf '%serror:%s %s\n' "$RED" "$PLAIN2" "$*" >&2; }
die() {
  fail "$@"
  exit 1
}

wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

list_dependencies() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$ROOT/deploy/dependencies"; }

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
    sed -n 's/^installed //p' | sort -u)
  comm -23 <(list_dependencies | sort -u) <(printf '%s\n' "$installed")
}

ensure_packages() {
  local -a missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    warn "this is no Debian system; the packages named in deploy/dependencies are yours to install"
    return 0
  fi
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  local command="apt-get install -y --no-install-recommends ${missing[*]}"
  if ((EUID != 0)); then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]; }; then
      as_root=(sudo)
    else
      fail "${#missing[@]} packages are missing, and installing them needs root. Run:"
      printf '  sudo apt-get update && sudo %s\n' "$command" >&2
      exit 1
    fi
  fi
  step "Installing ${#missing[@]} missing packages (the list is deploy/dependencies)"
  note "${missing[*]}"
  local log
  log=$(mktemp)
  local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  # Package lists may be absent or stale: refresh them only when the first try says so.
  if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null; then
    note "refreshing the package lists first"
    "${apt[@]}" update >"$log" 2>&1 </dev/null || true
    if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
      tail -n 15 "$log" >&2
      die "apt-get could not install the packages; the whole output is in $log. By hand: $command"
    fi
  fi
  rm -f "$log"
  good "installed"
}

# Compiling gRPC code takes about 1 GiB a job: as many jobs as processors, unless memory says less.
build_jobs() {
  local cpus memory
  cpus=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1200000)}' /proc/meminfo)
  ((memory >= 1)) || memory=1
  echo $((memory < cpus ? memory : cpus))
}

ensure_build() {
  local log=$BUILD_DIR/build.log jobs
  jobs=$(build_jobs)
  # What one clone has compiled, the next one need not.
  export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
  if [[ -e $BUILD_DIR && ! -w $BUILD_DIR ]] || { [[ ! -e $BUILD_DIR && ! -w $(dirname "$BUILD_DIR") ]]; }; then
    if [[ -x $BIN/parallax && -x $BIN/parallax-sensor && -x $BIN/parallax-collector ]]; then
      step "Using the binaries in $BIN as they are (the folder is not writable here)"
      return 0
    fi
    die "cannot write to $BUILD_DIR; set PARALLAX_BUILD_DIR to a folder of yours"
  fi
  mkdir -p "$BUILD_DIR"
  # A tree that was moved or copied brings a cache that points to its old place.
  if [[ -e $BUILD_DIR/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$BUILD_DIR/CMakeCache.txt"; then
    note "build folder belongs to another place of this tree: configuring anew"
    rm -rf "$BUILD_DIR/CMakeCache.txt" "$BUILD_DIR/CMakeFiles"
  fi
  if [[ ! -e $BUILD_DIR/build.ninja || ! -e $BUILD_DIR/CMakeCache.txt ]]; then
    step "Configuring the build in ${BUILD_DIR#"$ROOT"/}"
    # shellcheck disable=SC2086  # a list of arguments on purpose
    if ! cmake -S "$ROOT" -B "$BUILD_DIR" -G Ninja ${PARALLAX_CMAKE_ARGS:-} >"$log" 2>&1; then
      tail -n 30 "$log" >&2
      die "cmake could not configure the build; the whole output is in $log"
    fi
  fi
  step "Building${*:+ $*} with $jobs jobs (the first time takes minutes, later runs reuse it)"
  local started=$SECONDS status=0
  # One line for every tenth of the work, whatever the terminal: a log of CI stays short.
  NINJA_STATUS='[%f/%t] ' ninja -C "$BUILD_DIR" -j "$jobs" "$@" 2>&1 | tee "$log" |
    awk -v quiet="$QUIET" '
      /^\[[0-9]+\/[0-9]+\] / {
        split(substr($1, 2), n, /[\/\]]/)
        tenth = int(n[1] * 10 / n[2])
        if (tenth > shown && !quiet) {
          shown = tenth
          printf "    %3d%%  %d of %d\n", n[1] * 100 / n[2], n[1], n[2]
          fflush()
        }
      }' || status=$?
  if ((status)); then
    grep -n -A 25 -m 3 -E '^FAILED|error:' "$log" >&2 || tail -n 40 "$log" >&2
    die "the build failed; the whole output is in $log"
  fi
  good "built in $((SECONDS - started)) s"
}

# How this machine lets us make namespaces: sets LAB_UNSHARE to unshare's options.
ensure_can_lab() {
  local said
  # shellcheck disable=SC2034
  if ((EUID == 0)) && said=$(unshare -n -m -p --fork true 2>&1); then
    LAB_UNSHARE=()
  elif said=${said:-}${said:+; }$(unshare -Ur -n -m -p --fork true 2>&1); then
    LAB_UNSHARE=(-Ur)
  elif ((EUID == 0)); then
    fail "network namespaces cannot be made here, though this is root ($said)." \
      "In a container or chroot: give it CAP_SYS_ADMIN, and a root folder that is a mount point"
    exit 77
  else
    fail "no permission to make network namespaces ($said). Run this as root, or allow user" \
      "namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
    exit 77
  fi
}
