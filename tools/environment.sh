# Source this from the root of the repository: the virtual environment, the built package and the settings its processes need.
#   . tools/environment.sh && ttt-ros --help
# ROS_DISTRO chooses the distribution (kilted, jazzy). Not needed where ROS 2 itself is installed.
_ttt_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
export ROS_DISTRO="${ROS_DISTRO:-kilted}"
export VIRTUAL_ENV="$_ttt_root/.venv/$ROS_DISTRO"
export PATH="$VIRTUAL_ENV/bin:$PATH"
export AMENT_PREFIX_PATH="$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
# A Python started from one that the wheels bootstrapped would keep the library path of before `setup.bash` was sourced.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
if [ -f "$_ttt_root/install/$ROS_DISTRO/setup.bash" ]; then
  . "$_ttt_root/install/$ROS_DISTRO/setup.bash"
fi
export MUJOCO_GL="${MUJOCO_GL:-egl}"
# One thread per process: with two on a loaded machine an adaptation step's p95 grows several times over.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
unset _ttt_root
