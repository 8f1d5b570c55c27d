# ratios.awk - from lines "ROUND CONTENDER IMAGES NANOSECONDS" to medians: images a second, and
# their ratio to the bare loop (-v base=CONTENDER: to that one) of the same round.
# -v unit=NAME: something else than images.
# SPDX-License-Identifier: Apache-2.0
{
    rate[$1, $2] = $3 / $4 * 1e9
    if (!($2 in seen)) {
        seen[$2] = 1
        order[++n] = $2
    }
    rounds = $1
}

function median(name, as_ratio,    i, j, t, v)
{
    for (i = 1; i <= rounds; i++)
        v[i] = rate[i, name] / (as_ratio ? rate[i, base] : 1)
    for (i = 2; i <= rounds; i++)
        for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
            t = v[j]
            v[j] = v[j - 1]
            v[j - 1] = t
        }
    return rounds % 2 ? v[(rounds + 1) / 2] : (v[rounds / 2] + v[rounds / 2 + 1]) / 2
}

BEGIN {
    if (!base)
        base = "bare_loop"
    if (!unit)
        unit = "images"
}

END {
    printf "%-20s %10s %20s\n", "", unit "/s", "ratio to " base
    for (i = 1; i <= n; i++)
        printf "%-20s %10.1f %20.3f\n", order[i], median(order[i], 0), median(order[i], 1)
}
