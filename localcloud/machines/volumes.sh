# shellcheck shell=sh
# Volumes of a machine. Five words say what one is: number of its block device (major:minor), name of that device,
# name under /dev/disk/by-id, mount point, and kind of its file system or "-" for a raw disk.

# As DigitalOcean's images do: a formatted volume is mounted, a raw one is only there. Arguments: root, the five words.
plug_in() {
    mkdir -p "$1/dev/disk/by-id"
    [ -e "$1/dev/$3" ] || mknod -m 660 "$1/dev/$3" b "${2%:*}" "${2#*:}"
    ln -sf "../../$3" "$1/dev/disk/by-id/$4"
    [ "$6" != - ] || return 0
    units=$1/run/systemd/system
    mkdir -p "$1$5" "$units/local-fs.target.wants"
    cat > "$units/mnt-${5#/mnt/}.mount" <<UNIT
[Unit]
Description=Volume $4
[Mount]
What=/dev/disk/by-id/$4
Where=$5
Type=$6
Options=defaults,nofail,noatime
UNIT
    ln -sf "../mnt-${5#/mnt/}.mount" "$units/local-fs.target.wants/"
}

# Into a machine that runs. Arguments: the five words.
attach() {
    plug_in "" "$@"
    [ "$5" = - ] || { systemctl daemon-reload && systemctl start "mnt-${4#/mnt/}.mount"; }
}

# Out of a machine that runs. Programs that use the volume get ten seconds to end. Arguments: the five words.
detach() {
    for place in $(findmnt --noheadings --raw --output TARGET --source "/dev/$2"); do
        tries=0
        until umount "$place" 2> /dev/null || [ $tries -ge 100 ]; do
            [ $tries -gt 0 ] || fuser --kill -TERM --mount "$place" > /dev/null 2>&1 || true
            tries=$((tries + 1))
            sleep 0.1
        done
        ! mountpoint --quiet "$place" || { fuser --kill --mount "$place" > /dev/null 2>&1; sleep 0.2; umount "$place"; }
    done
    rm -f "/run/systemd/system/mnt-${4#/mnt/}.mount" "/run/systemd/system/local-fs.target.wants/mnt-${4#/mnt/}.mount"
    rm -f "/dev/disk/by-id/$3" "/dev/$2"
    systemctl daemon-reload
}
