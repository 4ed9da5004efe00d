#!/bin/sh
# The HTTP front against nginx serving the same bytes as a static file: interleaved rounds of 2 s, requests a second and
# microseconds of server CPU a request (user and system, from /proc/PID/stat), medians, and ratios to nginx.
#   http.sh [ROUNDS [CONNECTIONS]]
set -eu
server=${BUILD:-build}/tests/bench/bench_http rounds=${1:-3} connections=${2:-256}
dir=$(mktemp -d)
trap 'kill $nginx_pid $server_pid 2>/dev/null; rm -rf "$dir"' EXIT
port=$((20000 + $$ % 20000))
mkdir "$dir/www"
yes '<div class=card>Lorem ipsum</div>' | head -c 16384 > "$dir/www/page.html"
cat > "$dir/nginx.conf" <<CONF
worker_processes 1; daemon off; master_process off; pid $dir/pid; error_log stderr crit;
events { worker_connections 20000; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10; types { text/html html; }
  client_body_temp_path $dir/t; proxy_temp_path $dir/t; fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;
  server { listen 127.0.0.1:$port; root $dir/www; } }
CONF
nginx -c "$dir/nginx.conf" & nginx_pid=$!
"$server" 127.0.0.1:0 > "$dir/port" & server_pid=$!
sleep 0.5
ours=$(cat "$dir/port")

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
round() { # name pid url
    before=$(ticks "$2")
    wrk -t1 -c"$connections" -d2s "$3" > "$dir/wrk"
    after=$(ticks "$2")
    awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
        '/requests in/ {n = $1} /^Requests\/sec/ {r = $2} END {printf "%s %.0f %.2f\n", name, r, t / hz * 1e6 / n}' "$dir/wrk" >> "$dir/all"
}
for i in $(seq "$rounds"); do
    round nginx "$nginx_pid" "http://127.0.0.1:$port/page.html"
    round ready "$server_pid" "http://127.0.0.1:$ours/ready"
    round mould "$server_pid" "http://127.0.0.1:$ours/mould"
    round owned "$server_pid" "http://127.0.0.1:$ours/owned"
    round waited "$server_pid" "http://127.0.0.1:$ours/waited"
done
median() { grep "^$1 " "$dir/all" | cut -d' ' -f"$2" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)], v[1], v[NR]}'; }
for name in nginx ready mould owned waited; do
    echo "$name $(median $name 2) $(median $name 3)"
done | awk 'NR == 1 {r = $2; c = $5} {printf "%-7s %6d req/s (%d to %d) %.2fx   %5.2f us of CPU (%.2f to %.2f) %.2fx\n",
    $1, $2, $3, $4, $2 / r, $5, $6, $7, $5 / c}'
