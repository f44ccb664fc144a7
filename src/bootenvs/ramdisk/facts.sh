# What the machine is, as `POST /node/facts` takes it. Sourced after call.sh.

dmi() { json_line "$(cat "/sys/class/dmi/id/$1" 2>/dev/null)"; }

nics_json() {
  separator=
  for nic in /sys/class/net/*; do
    # Only what hangs on a bus: no loopback, bridge or tunnel.
    [ -e "$nic/device" ] || continue
    carrier=false
    [ "$(cat "$nic/carrier" 2>/dev/null)" != 1 ] || carrier=true
    speed=$(cat "$nic/speed" 2>/dev/null)
    case $speed in '' | *[!0-9]*) speed=null ;; esac
    printf '%s{"name":"%s","mac":"%s","carrier":%s,"speed":%s}' "$separator" "$(basename "$nic")" "$(cat "$nic/address")" "$carrier" "$speed"
    separator=,
  done
}

# Serial number: virtio has it beside the disk, NVMe and others in the device, SCSI in page 0x80 of its vital product data (SPC-4 7.8.13).
disk_serial() {
  for file in "$1/serial" "$1/device/serial"; do
    [ ! -r "$file" ] || { cat "$file"; return; }
  done
  [ ! -r "$1/device/vpd_pg80" ] || tail -c +5 "$1/device/vpd_pg80"
}

disks_json() {
  separator=
  for disk in /sys/block/*; do
    name=$(basename "$disk")
    case $name in loop* | ram* | zram* | sr* | fd* | dm-* | md* | nbd*) continue ;; esac
    sectors=$(cat "$disk/size")
    [ "$sectors" -gt 0 ] || continue
    rotational=false
    [ "$(cat "$disk/queue/rotational")" != 1 ] || rotational=true
    serial=$(json_line "$(disk_serial "$disk" | tr -cd ' -~' | sed 's/^ *//; s/ *$//')")
    # awk's numbers are exact to 2^53; a shell of 32 bits would not be.
    bytes=$(awk -v sectors="$sectors" 'BEGIN { printf "%.0f", sectors * 512 }')
    printf '%s{"name":"%s","serial":"%s","size_bytes":%s,"rotational":%s}' "$separator" "$name" "$serial" "$bytes" "$rotational"
    separator=,
  done
}

# facts_json CLASS: the whole body.
facts_json() {
  firmware=bios
  [ ! -d /sys/firmware/efi ] || firmware=uefi
  memory=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
  printf '{"boot_id":"%s","class":"%s","uuid":"%s","serial":"%s","vendor":"%s","product":"%s","arch":"%s","cpus":%s,"memory_bytes":%s,"firmware":"%s","nics":[%s],"disks":[%s],"agent_version":"ramdisk-1"}' \
    "$(cat /proc/sys/kernel/random/boot_id)" "$1" "$(dmi product_uuid)" "$(dmi product_serial)" "$(dmi sys_vendor)" "$(dmi product_name)" \
    "$(uname -m)" "$(nproc)" "$memory" "$firmware" "$(nics_json)" "$(disks_json)"
}
