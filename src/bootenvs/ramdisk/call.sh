# Calls home, for the ramdisk's programs. Sourced. JSON goes out by `json_text`, and comes in by json.awk as PB_* variables.

RUN=${PRYBAR_RUN:-/run/prybar}
HERE=${PRYBAR_HERE:-/prybar}

# The text of standard input as the inside of a JSON string. Bytes that no JSON string may hold become spaces.
json_text() {
  tr '\000-\010\013\014\016-\037\177' ' ' |
    awk '{ gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); gsub(/\r/, "\\r"); printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { if (NR > 0) printf "\\n" }'
}

# One line of text: no line end after it.
json_line() { printf '%s' "$1" | tr '\n' ' ' | json_text | sed 's/\\n$//'; }

# post URL TOKEN BODY ANSWER-FILE TIMEOUT: 0 answered, 1 not reached or a fault of the server, 2 refused; STATUS says which.
post() {
  printf '%s' "$3" > "$4.body"
  STATUS=
  # Debian's busybox has a wget without -T.
  if timeout "$5" wget -q -O "$4" --header="Authorization: Bearer $2" --header='Content-Type: application/json' --post-file="$4.body" "$1" 2> "$4.error"; then
    return 0
  fi
  STATUS=$(sed -n 's/.*HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' "$4.error" | head -n 1)
  case $STATUS in
    408 | 429) return 1 ;;
    4??) return 2 ;;
    *) return 1 ;;
  esac
}

# Sets PB_* from the answer in the file.
read_answer() {
  PB_ENV=
  answer=$(awk -f "$HERE/json.awk" "$1") || return 1
  eval "$answer"
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }
