# One script that the server ordered: its log, its lease, its end. Sourced by prybar-agent; the order is in PB_*.

LOG_LIMIT_BYTES=4000000
LOG_CHUNK_BYTES=12000
WALL_LIMIT_BYTES=1000000
KILL_GRACE_SECONDS=${PRYBAR_AGENT_KILL_GRACE:-5}

# Pids of everything that was started with the mark in its environment, whoever its parent is now.
marked() {
  for process in /proc/[0-9]*; do
    if tr '\0' '\n' 2>/dev/null < "$process/environ" | grep -qxF "PRYBAR_STEP=$MARK"; then echo "${process#/proc/}"; fi
  done 2>/dev/null
}

# Returns when nothing of the script is left: asked to end first, then killed for as long as anything comes back.
empty_scope() {
  polite_until=$(($(uptime_seconds) + KILL_GRACE_SECONDS))
  signal=TERM
  while pids=$(marked); [ -n "$pids" ]; do
    [ "$(uptime_seconds)" -lt "$polite_until" ] || signal=KILL
    kill -$signal $pids 2>/dev/null
    sleep 1
  done
}

# Keeps the lease; writes the time until which it holds. Ends by `lost` when the server says that the work is no longer ours.
renew_lease() {
  wait=$((PB_lease_seconds / 3))
  [ $wait -le 10 ] || wait=10
  while [ ! -e "$DIR/over" ]; do
    asked=$(uptime_seconds)
    post "$URL/renew" "$NODE_TOKEN" "{\"fence\":$PB_fence,\"wait_seconds\":$wait}" "$DIR/renewed" $((wait + 5))
    case $? in
      0) echo $((asked + PB_lease_seconds)) > "$DIR/until.new" && mv "$DIR/until.new" "$DIR/until" ;;
      2) : > "$DIR/lost"; return ;;
    esac
    # A server that answers at once instead of waiting is not asked without pause.
    [ $(($(uptime_seconds) - asked)) -ge 1 ] || sleep 1
  done
}

# Sends what the log has grown by.
ship_log() {
  size=$(wc -c < "$DIR/log")
  while [ "$SHIPPED" -lt "$size" ] && [ "$SHIPPED" -lt "$LIMIT" ]; do
    chunk=$((size - SHIPPED))
    [ $chunk -le $LOG_CHUNK_BYTES ] || chunk=$LOG_CHUNK_BYTES
    text=$(tail -c +$((SHIPPED + 1)) "$DIR/log" | head -c "$chunk" | json_text)
    send_log "$text"
    SHIPPED=$((SHIPPED + chunk))
  done
  # The rest is read and dropped: a script must neither block on its log nor fill the memory.
  if [ "$size" -gt "$LIMIT" ]; then
    [ -e "$DIR/cut" ] || send_log "\\n[prybar: the log is longer than its limit of $LIMIT bytes, the rest is left out]\\n"
    : > "$DIR/cut"
    : > "$DIR/log"
    SHIPPED=$LIMIT
  fi
}

send_log() {
  SEQUENCE=$((SEQUENCE + 1))
  for attempt in 1 2 3 4 5; do
    post "$URL/log" "$NODE_TOKEN" "{\"fence\":$PB_fence,\"seq\":$SEQUENCE,\"text\":\"$1\"}" "$DIR/sent" 15
    [ $? -eq 1 ] || return 0
    sleep 1
  done
}

# Whether the lease still holds; some of it is kept back for the ending.
is_held() { [ ! -e "$DIR/lost" ] && [ "$(uptime_seconds)" -lt $(($(cat "$DIR/until") - PB_lease_seconds / 6)) ]; }

# An older order than one we have seen of this run is not carried out.
take_fence() {
  seen=$(cat "$RUN/fence-$PB_run_id" 2>/dev/null || echo -1)
  [ "$PB_fence" -gt "$seen" ] || return 1
  echo "$PB_fence" > "$RUN/fence-$PB_run_id"
}

run_script() {
  take_fence || return 0
  DIR=$RUN/run-$PB_run_id
  URL=$NODE_URL/runs/$PB_run_id
  MARK=$PB_run_id:$PB_fence
  LIMIT=${PB_log_limit_bytes:-$LOG_LIMIT_BYTES}
  # The shell counts in whole seconds.
  PB_lease_seconds=${PB_lease_seconds%.*}
  PB_timeout_seconds=${PB_timeout_seconds%.*}
  SHIPPED=0
  SEQUENCE=0
  rm -rf "$DIR"
  mkdir -p "$DIR"
  : > "$DIR/log"
  printf '%s' "$PB_script" > "$DIR/script"
  echo $(($(uptime_seconds) + PB_lease_seconds)) > "$DIR/until"
  (
    for name in $PB_ENV; do
      eval "export $name=\"\$PB_env_$name\""
    done
    PRYBAR_WALL=$DIR/wall.json PRYBAR_STEP=$MARK setsid sh "$DIR/script" < /dev/null >> "$DIR/log" 2>&1
    echo $? > "$DIR/status.new"
    mv "$DIR/status.new" "$DIR/status"
  ) &
  renew_lease &
  renewing=$!
  until=$(($(uptime_seconds) + PB_timeout_seconds))
  while [ ! -e "$DIR/status" ]; do
    sleep 1
    ship_log
    is_held || break
    if [ "$(uptime_seconds)" -ge "$until" ]; then
      echo "[prybar: the time of $PB_timeout_seconds s is over: stopped]" >> "$DIR/log"
      empty_scope
      echo 143 > "$DIR/status"
    fi
  done
  empty_scope
  : > "$DIR/over"
  if [ ! -e "$DIR/lost" ] && [ -e "$DIR/status" ]; then
    ship_log
    report_result
  fi
  kill "$renewing" 2>/dev/null
  rm -rf "$DIR"
}

report_result() {
  status=$(cat "$DIR/status")
  wall=
  if [ -s "$DIR/wall.json" ] && [ "$(wc -c < "$DIR/wall.json")" -le $WALL_LIMIT_BYTES ]; then wall=",\"wall\":$(cat "$DIR/wall.json")"; fi
  while :; do
    post "$URL/result" "$NODE_TOKEN" "{\"fence\":$PB_fence,\"exit_status\":$status$wall}" "$DIR/reported" 15
    case $? in
      0) return ;;
      2)
        # The wall is not acceptable; that the script ended still has to be known.
        [ "$STATUS" = 400 ] && [ -n "$wall" ] || return
        wall=
        [ "$status" -ne 0 ] || status=1
        ;;
      *) sleep "$RETRY" ;;
    esac
  done
}
