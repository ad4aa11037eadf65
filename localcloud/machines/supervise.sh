# shellcheck shell=sh
# Runs one machine until it is switched off; after a reboot it is started again.
# Arguments: control group, then those of boot.sh with its path first.
cgroup=$1
shift
echo $$ > "$cgroup/cgroup.procs"
# The inner group is the machine's own: systemd must find nobody else in it.
# shellcheck disable=SC2016
enter='echo 0 > "$0/machine/cgroup.procs"; exec unshare --cgroup sh "$@"'
while true; do
    unshare --mount --pid --uts --ipc --fork --kill-child --propagation private sh -c "$enter" "$cgroup" "$@"
    # Linux ends the first process of a machine that reboots with SIGHUP, and of one that is switched off with SIGINT.
    [ $? -eq 129 ] || exit 0
done
