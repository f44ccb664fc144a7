# JSON as assignments for the shell: {"a":{"b":"x"}} becomes  PB_a_b='x'  . Objects, strings, numbers, true, false, null; a
# list is left out. Keys are words, values are quoted: the output is safe to eval. Exit status 1 when it is no JSON object.
# Strings of the environment keep their own names:  PB_ENV="$PB_ENV NAME"  and  PB_env_NAME='value'.

function fail() { broken = 1; exit 1 }
function blank() { while (substr(text, at, 1) ~ /[ \t\r\n]/) at++ }
function quoted(value) { gsub(/'/, "'\\''", value); return "'" value "'" }

function utf8(code) {
  if (code < 128) return sprintf("%c", code)
  if (code < 2048) return byte(192 + int(code / 64)) byte(128 + code % 64)
  if (code < 65536) return byte(224 + int(code / 4096)) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
  return byte(240 + int(code / 262144)) byte(128 + int(code / 4096) % 64) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
}
function byte(code) { return sprintf("%c", code) }
function hex(digits,   value, i) {
  value = 0
  for (i = 1; i <= 4; i++) value = value * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
  return value
}

function string(   out, rest, plain, char, code, low) {
  at++
  out = ""
  for (;;) {
    rest = substr(text, at)
    if (!match(rest, /["\\]/)) fail()
    plain = RSTART - 1
    out = out substr(rest, 1, plain)
    at += plain + 1
    if (substr(rest, RSTART, 1) == "\"") return out
    char = substr(text, at, 1)
    at++
    if (char == "n") out = out "\n"
    else if (char == "t") out = out "\t"
    else if (char == "r") out = out "\r"
    else if (char == "b" || char == "f") out = out " "
    else if (char == "u") {
      code = hex(substr(text, at, 4)); at += 4
      if (code >= 55296 && code < 56320 && substr(text, at, 2) == "\\u") {
        low = hex(substr(text, at + 2, 4)); at += 6
        code = 65536 + (code - 55296) * 1024 + (low - 56320)
      }
      # No shell variable holds a NUL.
      if (code > 0) out = out utf8(code)
    } else out = out char
  }
}

function value(name,   char) {
  blank()
  char = substr(text, at, 1)
  if (char == "{") object(name)
  else if (char == "[") list()
  else if (char == "\"") assign(name, string())
  else if (match(substr(text, at), /^(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null)/)) {
    assign(name, substr(text, at, RLENGTH) == "null" ? "" : substr(text, at, RLENGTH))
    at += RLENGTH
  } else fail()
}

function assign(name, text_) {
  if (silent == 0 && name ~ /^PB(_[A-Za-z0-9_]+)+$/) {
    print name "=" quoted(text_)
    if (name ~ /^PB_env_[A-Za-z_][A-Za-z0-9_]*$/) print "PB_ENV=\"$PB_ENV " substr(name, 8) "\""
  }
}

function object(name,   key) {
  at++
  blank()
  if (substr(text, at, 1) == "}") { at++; return }
  for (;;) {
    blank()
    if (substr(text, at, 1) != "\"") fail()
    key = string()
    blank()
    if (substr(text, at, 1) != ":") fail()
    at++
    value(name "_" key)
    blank()
    if (substr(text, at, 1) == "}") { at++; return }
    if (substr(text, at, 1) != ",") fail()
    at++
  }
}

function list() {
  at++
  silent++
  blank()
  if (substr(text, at, 1) == "]") { at++; silent--; return }
  for (;;) {
    value("x")
    blank()
    if (substr(text, at, 1) == "]") { at++; silent--; return }
    if (substr(text, at, 1) != ",") fail()
    at++
  }
}

{ text = text (NR > 1 ? "\n" : "") $0 }
END {
  if (broken) exit 1
  at = 1
  silent = 0
  blank()
  if (substr(text, at, 1) != "{") exit 1
  object("PB")
}
