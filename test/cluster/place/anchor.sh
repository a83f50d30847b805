# The first process of a place: makes it a home of its own, then only waits.
#   anchor.sh NAME DIR PAUSE
# It goes on when it reads a line, which comes once its id has been written down,
# and says "ready" on file 3.
read -r go || exit 1
set -eu
name=$1 dir=$2 pause=$3

mount --make-rprivate /
mount -t proc proc /proc
mkdir -p "$dir/lib" "$dir/log" "$dir/sys"
mount --bind "$dir/lib" /var/lib
mount --bind "$dir/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run

# A kubelet sets these for the whole machine; here it sets a file of its own.
for tunable in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  file=$dir/sys/$(echo "$tunable" | tr / .)
  cat "/proc/sys/$tunable" >"$file"
  mount --bind "$file" "/proc/sys/$tunable"
done
# As on any node: mounts made by one process are seen by all of the place.
mount --make-rshared /

hostname "$name"
ip link set lo up
echo ready >&3
exec "$pause" 3>&- </dev/null
