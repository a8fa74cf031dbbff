# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Writes numbered lines until TERM: `hold` with the log open all the time, `each` opening it for each line. Prints how many it wrote.
how=$1 path=$2 rate=$3
number=0 going=1
trap 'going=0' TERM
trap ':' USR1
filler=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
pause=$((rate / 100))
[ "$how" = each ] || exec 3>>"$path"
while [ $going = 1 ]; do
    if [ "$how" = each ]; then
        printf 'line %d %s end\n' "$number" "${filler:0:$((number % 89))}" >>"$path"
    else
        printf 'line %d %s end\n' "$number" "${filler:0:$((number % 89))}" >&3
    fi
    number=$((number + 1))
    # A hundredth of a second's lines, then a rest: about as many as were asked for, or as many as the shell can.
    if [ $((number % pause)) = 0 ]; then read -r -t 0.008 _ <> <(:) || true; fi
done
echo "$number"
