# The kernel line, as the ramdisk's programs need it. Sourced.

# Sets PRYBAR_URL, PRYBAR_TOKEN, PRYBAR_CLASS, PRYBAR_BOOTENV and BOOT_MAC (colons) from the file, e.g. /proc/cmdline.
read_boot_words() {
  # No word of the line may become a file name pattern.
  set -f
  for word in $(cat "$1"); do
    case $word in
      prybar.url=*) PRYBAR_URL=${word#*=} ;;
      prybar.token=*) PRYBAR_TOKEN=${word#*=} ;;
      prybar.class=*) PRYBAR_CLASS=${word#*=} ;;
      prybar.bootenv=*) PRYBAR_BOOTENV=${word#*=} ;;
      # 01 is the hardware type Ethernet, as pxelinux writes it.
      BOOTIF=01-*) BOOT_MAC=$(echo "${word#BOOTIF=01-}" | tr 'A-F-' 'a-f:') ;;
    esac
  done
  set +f
  export PRYBAR_URL PRYBAR_TOKEN PRYBAR_CLASS PRYBAR_BOOTENV BOOT_MAC
}
