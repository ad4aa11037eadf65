# shellcheck shell=sh
# Turns the namespaces it runs in into a machine, and itself into the machine's systemd.
# Arguments: image, folder of the machine, host name, path of volumes.sh, then five words a volume (see volumes.sh).
set -eu
image=$1 folder=$2 name=$3
# shellcheck source=/dev/null
. "$4"
shift 4
root=$folder/root

mount -t overlay overlay -o "lowerdir=$image,upperdir=$folder/upper,workdir=$folder/work" "$root"

mount -t proc proc "$root/proc"
# Kernel settings and devices are the host's: to be seen, not to be changed.
for file in sys sysrq-trigger irq bus; do
    [ -e "$root/proc/$file" ] || continue
    mount --bind "$root/proc/$file" "$root/proc/$file"
    mount -o remount,bind,ro "$root/proc/$file"
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup" 2> /dev/null || true
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
for device in null zero full random urandom tty; do
    cp -a "/dev/$device" "$root/dev/"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in stdin:0 stdout:1 stderr:2; do
    ln -s "fd/${stream#*:}" "$root/dev/${stream%:*}"
done

while [ $# -gt 0 ]; do
    plug_in "$root" "$@"
    shift 5
done

# The network is the host's, so its name servers are the right ones.
rm -f "$root/etc/resolv.conf"
cat /etc/resolv.conf > "$root/etc/resolv.conf" 2> /dev/null || true
hostname "$name"

cd "$root"
mkdir -p .host
pivot_root . .host
umount -l /.host
rmdir /.host
# Services with mounts of their own must see a volume go, or it stays in use.
mount --make-rshared /
# "container" tells systemd and cloud-init where they are.
exec env -i container=localcloud PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    setpriv --bounding-set="$MACHINE_CAPABILITIES" -- \
    /lib/systemd/systemd
