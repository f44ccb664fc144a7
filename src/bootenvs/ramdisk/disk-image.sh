# Writing an image to a disk, and finding out what is on it. Sourced by the install script of the bootenv `image`, after call.sh.

WORK=$RUN/image
ROOT=$WORK/root
PROGRESS_SECONDS=${PRYBAR_PROGRESS_SECONDS:-5}
mkdir -p "$WORK" "$ROOT"

# The smallest name among disks that are no floppy, CD or memory: the order in which the kernel found them.
first_disk() {
  for block in /sys/block/*; do
    case $(basename "$block") in loop* | ram* | zram* | sr* | fd* | dm-* | md* | nbd*) continue ;; esac
    [ "$(cat "$block/size")" -eq 0 ] || { echo "/dev/$(basename "$block")"; return; }
  done
}

# claim_disk URL TOKEN DISK
claim_disk() {
  tries=0
  until post "$1" "$2" "{\"disk\":\"$3\",\"boot_id\":\"$(cat /proc/sys/kernel/random/boot_id)\"}" "$WORK/claimed" 30; do
    [ -z "$STATUS" ] || [ "$STATUS" -ge 500 ] || { echo "prybar: the claim of $3 was refused with $STATUS"; return 1; }
    tries=$((tries + 1))
    [ $tries -lt 60 ] || return 1
    sleep 5
  done
}

unpack() {
  case $1 in
    *.gz) gunzip -c ;;
    *.xz) unxz -c ;;
    *.bz2) bunzip2 -c ;;
    *) cat ;;
  esac
}

# How many bytes the transfer has handed on: what its process has written (proc(5), io).
handed_on() { sed -n 's/^wchar: //p' "/proc/$1/io" 2>/dev/null; }

# report_progress TOTAL URL TOKEN DISK: for as long as the transfer runs.
report_progress() {
  while [ ! -e "$WORK/over" ]; do
    sleep "$PROGRESS_SECONDS"
    bytes=$(handed_on "$(cat "$WORK/pid")")
    [ -n "$bytes" ] && [ "${1:-0}" -gt 0 ] || continue
    percent=$(awk -v done="$bytes" -v all="$1" 'BEGIN { p = int(100 * done / all); print (p > 99 ? 99 : p) }')
    echo "prybar: $percent % of the image"
    post "$2" "$3" "{\"disk\":\"$4\",\"progress\":$percent}" "$WORK/progress" 15
  done
}

# write_image URL SHA256 DISK CALL-URL TOKEN
write_image() {
  total=$(timeout 30 wget -q -S --spider "$1" 2>&1 | sed -n 's/^ *[Cc]ontent-[Ll]ength: *\([0-9]*\).*/\1/p' | tail -n 1)
  rm -f "$WORK/stream" "$WORK/sum" "$WORK/broken" "$WORK/over" "$WORK/pid"
  mkfifo "$WORK/stream"
  sha256sum < "$WORK/stream" > "$WORK/sum" &
  summing=$!
  : > "$WORK/pid"
  report_progress "${total:-0}" "$4" "$5" "$3" &
  reporting=$!
  {
    # Its own process, known by its number: what it has written is the progress.
    sh -c 'echo $$ > "$1"; exec wget -q -O - "$2"' fetch "$WORK/pid" "$1" || echo 'the transfer broke off' >> "$WORK/broken"
  } | tee "$WORK/stream" | {
    unpack "$1" || echo 'the image cannot be unpacked' >> "$WORK/broken"
  } | dd of="$3" bs=1M conv=fsync 2>"$WORK/dd" || { echo 'the disk was not written:' && cat "$WORK/dd"; } >> "$WORK/broken"
  wait "$summing"
  : > "$WORK/over"
  kill "$reporting" 2>/dev/null
  got=$(cut -d' ' -f1 "$WORK/sum")
  [ "$got" = "$2" ] || echo "its SHA-256 is $got, not $2" >> "$WORK/broken"
  if [ -s "$WORK/broken" ]; then
    echo "prybar: image $1: $(cat "$WORK/broken")"
    # What is not what was meant must not boot.
    dd if=/dev/zero of="$3" bs=1M count=1 conv=fsync,notrunc 2>/dev/null
    return 1
  fi
  sync
  echo "prybar: the image is on $3"
}

# The volume id of a FAT file system as blkid writes it: four bytes, the last first, at 67 (FAT32) or 39. https://en.wikipedia.org/wiki/Design_of_the_FAT_file_system
fat_uuid() {
  offset=39
  [ "$(dd if="$1" bs=1 skip=82 count=5 2>/dev/null)" != FAT32 ] || offset=67
  dd if="$1" bs=1 skip=$offset count=4 2>/dev/null | hexdump -v -e '4/1 "%02X "' | awk '{ print $4 $3 "-" $2 $1 }'
}

# Sets ESP_UUID and LOADER (netboot-rules 15), and mounts the file system that has a system on it at $ROOT.
find_system() {
  ESP_UUID=
  LOADER=
  SYSTEM=
  blockdev --rereadpt "$1" 2>/dev/null
  sleep 2
  mkdir -p "$WORK/part"
  for part in "$1"?* "$1"; do
    [ -b "$part" ] || continue
    if mount -t vfat -o ro "$part" "$WORK/part" 2>/dev/null; then
      for path in /EFI/debian/shimx64.efi /EFI/ubuntu/shimx64.efi /EFI/rocky/shimx64.efi /EFI/redhat/shimx64.efi /EFI/fedora/shimx64.efi /EFI/opensuse/shimx64.efi /EFI/BOOT/BOOTX64.EFI; do
        [ -z "$LOADER" ] && [ -f "$WORK/part$path" ] || continue
        LOADER=$path
        ESP_UUID=$(fat_uuid "$part")
      done
      umount "$WORK/part"
    elif [ -z "$SYSTEM" ] && { mount -t ext4 "$part" "$ROOT" 2>/dev/null || mount -t xfs "$part" "$ROOT" 2>/dev/null; }; then
      if [ -e "$ROOT/etc/os-release" ]; then SYSTEM=$part; else umount "$ROOT"; fi
    fi
  done
  echo "prybar: system ${SYSTEM:-not found}, loader ${LOADER:-none}${ESP_UUID:+ on $ESP_UUID}"
}

# prepare_agent URL HOSTNAME: into a system that can run it.
prepare_agent() {
  [ -n "$SYSTEM" ] || return 0
  echo "$2" > "$ROOT/etc/hostname"
  [ -x "$ROOT/usr/bin/python3" ] && [ -d "$ROOT/etc/systemd/system" ] || return 0
  mkdir -p "$ROOT/etc/prybar" "$ROOT/usr/local/sbin" "$ROOT/etc/systemd/system/multi-user.target.wants"
  wget -q -O "$ROOT/usr/local/sbin/prybar-agent" "$1/prybar-agent" && chmod 755 "$ROOT/usr/local/sbin/prybar-agent"
  wget -q -O "$ROOT/etc/systemd/system/prybar-agent.service" "$1/prybar-agent.service" &&
    ln -sf ../prybar-agent.service "$ROOT/etc/systemd/system/multi-user.target.wants/prybar-agent.service"
}

# complete_install URL TOKEN DISK
complete_install() {
  body="{\"disk\":\"$3\""
  [ -z "$LOADER" ] || body="$body,\"loader_path\":\"$LOADER\",\"esp_uuid\":\"$ESP_UUID\""
  tries=0
  until post "$1" "$2" "$body}" "$WORK/agent.json" 30; do
    [ -z "$STATUS" ] || [ "$STATUS" -ge 500 ] || { echo "prybar: the completion was refused with $STATUS"; return 1; }
    tries=$((tries + 1))
    [ $tries -lt 120 ] || return 1
    sleep 5
  done
}

# The answer is the system's own: its token is on its disk and nowhere else.
keep_answer() {
  [ -n "$SYSTEM" ] || return 0
  if [ -d "$ROOT/etc/prybar" ]; then (umask 077; cp "$WORK/agent.json" "$ROOT/etc/prybar/agent.json"); fi
  umount "$ROOT"
}
