#!/usr/bin/env bash
# Checks what the virtual environment cannot bring; says what to install. Usage: check_prerequisites.sh PYTHON ROS_DISTRO
set -euo pipefail
python=$1 distro=$2

fail() { echo "error: $*" >&2; exit 1; }

case "$distro" in
  kilted | jazzy) ;;
  *) fail "ROS_DISTRO=$distro is not available as wheels; use kilted or jazzy, or build with colcon in your ROS workspace (see README.md)" ;;
esac
command -v "$python" >/dev/null || fail "$python not found; install Python 3.10 to 3.12, or name one with PYTHON=..."
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' ||
  fail "$("$python" --version) is not supported; name a Python 3.10 to 3.12 with PYTHON=..."
"$python" -c 'import ensurepip' 2>/dev/null || fail "$python cannot create virtual environments; on Debian: apt-get install python3-venv"
command -v c++ >/dev/null || fail "no C++ compiler; on Debian: apt-get install g++"
command -v cmake >/dev/null || fail "no cmake; on Debian: apt-get install cmake"
[ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ] ||
  fail "the headers of $python are missing; on Debian: apt-get install python3-dev"

# MuJoCo renders off-screen through EGL; OSMesa serves as well (MUJOCO_GL=osmesa).
loads() { "$python" -c "import ctypes, sys; [ctypes.CDLL(name) for name in sys.argv[1:]]" "$@" 2>/dev/null; }
if ! loads libEGL.so.1 libOpenGL.so.0 && ! loads libOSMesa.so.8; then
  packages="libegl1 libopengl0 libgl1-mesa-dri"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "no GL library to render with: installing $packages"
    apt-get update -qq && apt-get install -y -qq $packages >/dev/null
  else
    fail "no GL library to render with; on Debian: sudo apt-get install $packages"
  fi
fi
