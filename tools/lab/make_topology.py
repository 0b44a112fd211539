#!/usr/bin/python3
"""Chooses cloud regions whose delays were all measured and writes a lab topology from them.

    tools/lab/make_topology.py --data DIR --out tools/lab/topology/regions-12.toml

DIR holds results*.csv and locations.csv of the intercloud throughput measurements (iperf3 and ping
between AWS and GCP regions, February 2022; github.com/doitintl/intercloud-throughput, Apache-2.0).

One-way delay of an ordered pair = half the median of its measured average RTTs. Wanted is a set of
regions, all ordered pairs measured, at least 150 km apart, where many ordered pairs are better relayed:
one relay, 3 ms for the hop, and still better than direct by more than max(10 %, 5 ms). The search climbs
by swaps from random sets of a fixed seed: the same data give the same file.
"""
import argparse
import csv
import glob
import itertools
import math
import os
import random
import statistics
import sys

HOP_MS = 3.0
APART_KM = 150.0
STARTS = 40
# Light in fibre covers about 200 km in a millisecond; what claims to be faster is a mistake.
FIBRE_KM_PER_MS = 200.0

# Short names that people read: the nearest large airport, g for a GCP region.
NAMES = {
    ("AWS", "ap-northeast-1"): ("nrt", "Tokyo"),
    ("AWS", "ap-northeast-2"): ("icn", "Seoul"),
    ("AWS", "ap-northeast-3"): ("kix", "Osaka"),
    ("AWS", "ap-south-1"): ("bom", "Mumbai"),
    ("AWS", "ap-southeast-1"): ("sin", "Singapore"),
    ("AWS", "ap-southeast-2"): ("syd", "Sydney"),
    ("AWS", "ca-central-1"): ("yul", "Montreal"),
    ("AWS", "eu-central-1"): ("fra", "Frankfurt"),
    ("AWS", "eu-north-1"): ("arn", "Stockholm"),
    ("AWS", "eu-west-1"): ("dub", "Dublin"),
    ("AWS", "eu-west-2"): ("lhr", "London"),
    ("AWS", "eu-west-3"): ("cdg", "Paris"),
    ("AWS", "sa-east-1"): ("gru", "Sao Paulo"),
    ("AWS", "us-east-1"): ("iad", "Virginia"),
    ("AWS", "us-east-2"): ("cmh", "Ohio"),
    ("AWS", "us-west-1"): ("sfo", "California"),
    ("AWS", "us-west-2"): ("pdx", "Oregon"),
    ("GCP", "asia-east1"): ("tpe", "Taiwan"),
    ("GCP", "asia-east2"): ("hkg", "Hong Kong"),
    ("GCP", "asia-northeast1"): ("hnd", "Tokyo"),
    ("GCP", "asia-northeast2"): ("itm", "Osaka"),
    ("GCP", "asia-northeast3"): ("gmp", "Seoul"),
    ("GCP", "asia-south1"): ("pnq", "Mumbai"),
    ("GCP", "asia-south2"): ("del", "Delhi"),
    ("GCP", "asia-southeast1"): ("xsp", "Singapore"),
    ("GCP", "asia-southeast2"): ("cgk", "Jakarta"),
    ("GCP", "australia-southeast1"): ("bwu", "Sydney"),
    ("GCP", "australia-southeast2"): ("mel", "Melbourne"),
    ("GCP", "europe-central2"): ("waw", "Warsaw"),
    ("GCP", "europe-north1"): ("hel", "Finland"),
    ("GCP", "europe-west1"): ("bru", "Belgium"),
    ("GCP", "europe-west2"): ("lgw", "London"),
    ("GCP", "europe-west3"): ("hhn", "Frankfurt"),
    ("GCP", "europe-west4"): ("grq", "Netherlands"),
    ("GCP", "europe-west6"): ("zrh", "Zurich"),
    ("GCP", "northamerica-northeast1"): ("ymx", "Montreal"),
    ("GCP", "northamerica-northeast2"): ("yyz", "Toronto"),
    ("GCP", "southamerica-east1"): ("vcp", "Sao Paulo"),
    ("GCP", "us-central1"): ("oma", "Iowa"),
    ("GCP", "us-east1"): ("chs", "South Carolina"),
    ("GCP", "us-east4"): ("dca", "Virginia"),
    ("GCP", "us-west1"): ("dls", "Oregon"),
    ("GCP", "us-west2"): ("lax", "Los Angeles"),
    ("GCP", "us-west3"): ("slc", "Salt Lake City"),
    ("GCP", "us-west4"): ("las", "Las Vegas"),
}


def read_delays(folder):
    files = sorted(glob.glob(os.path.join(folder, "results*.csv")))
    if not files:
        sys.exit(f"make_topology: no results*.csv in {folder}; get them from "
                 "github.com/doitintl/intercloud-throughput")
    measured = {}
    for name in files:
        with open(name, newline="") as file:
            for row in csv.DictReader(file):
                if not row["avgrtt"]:
                    continue
                pair = ((row["from_cloud"], row["from_region"]), (row["to_cloud"], row["to_region"]))
                measured.setdefault(pair, []).append(float(row["avgrtt"]))
    return {pair: statistics.median(values) / 2 for pair, values in measured.items()}


def read_places(folder):
    with open(os.path.join(folder, "locations.csv"), newline="") as file:
        return {(row["cloud"], row["region"]): (float(row["latitude"]), float(row["longitude"]))
                for row in csv.DictReader(file)}


def distance_km(a, b):
    """Great circle, haversine formula, mean earth radius."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    h = (math.sin((lat2 - lat1) / 2) ** 2
         + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2)
    return 2 * 6371.0 * math.asin(math.sqrt(h))


def margin_ms(direct):
    return max(0.1 * direct, 5.0)


def better_relayed(chosen, delay):
    """Ordered pairs for which some relay in the set beats direct by more than the margin."""
    found = []
    for a, b in itertools.permutations(chosen, 2):
        direct = delay[a, b]
        best = min((delay[a, k] + HOP_MS + delay[k, b], k) for k in chosen if k not in (a, b))
        if best[0] < direct - margin_ms(direct):
            found.append((a, b, best[1], direct, best[0]))
    return found


def choose(delay, places, count):
    regions = sorted({a for pair in delay for a in pair if a in places and a in NAMES})
    fits = {a: set() for a in regions}
    for a, b in itertools.combinations(regions, 2):
        if (a, b) not in delay or (b, a) not in delay:
            continue
        km = distance_km(places[a], places[b])
        if km >= APART_KM and min(delay[a, b], delay[b, a]) > km / FIBRE_KM_PER_MS:
            fits[a].add(b)
            fits[b].add(a)

    def score(chosen):
        better = better_relayed(chosen, delay)
        # More pairs first; at equal number the larger gain.
        return len(better), sum(direct - relayed for _, _, _, direct, relayed in better)

    def draw():
        chosen = [chance.choice(regions)]
        while len(chosen) < count:
            options = [r for r in regions if r not in chosen and all(r in fits[c] for c in chosen)]
            if not options:
                return None
            chosen.append(chance.choice(options))
        return chosen

    def climb(chosen):
        now = score(chosen)
        for i, r in itertools.product(range(count), regions):
            others = chosen[:i] + chosen[i + 1:]
            if r not in chosen and all(r in fits[c] for c in others) and score(others + [r]) > now:
                return climb(others + [r])
        return chosen

    chance = random.Random(1)
    best = None
    for _ in range(STARTS):
        chosen = next(filter(None, (draw() for _ in range(200))), None)
        if chosen is None:
            continue
        chosen = climb(chosen)
        if best is None or score(chosen) > score(best):
            best = chosen
    if best is None:
        sys.exit(f"make_topology: no complete set of {count} regions in the data")
    return sorted(best, key=lambda r: places[r][1])


def text_of(chosen, delay, places, name, collector):
    better = better_relayed(chosen, delay)
    short = {r: NAMES[r][0] for r in chosen}
    width = max(len(n) for n in short.values())
    lines = [
        f"# {len(chosen)} cloud regions, every ordered pair measured. Made by tools/lab/make_topology.py.",
        "# Delays and coordinates: doitintl/intercloud-throughput (github), February 2022, Apache-2.0;",
        "# one-way delay = half the median of the measured average RTTs. Jitter, loss, routers and equal-cost",
        "# paths are ours: small, and not measured.",
        f"# With 3 ms for the hop {len(better)} of {len(chosen) * (len(chosen) - 1)} ordered pairs are better"
        " relayed by more than max(10 %, 5 ms):",
    ]
    for a, b, k, direct, relayed in better:
        lines.append(f"#   {short[a]:{width}} -> {short[b]:{width}} {direct:6.1f} ms, "
                     f"by {short[k]:{width}} {relayed:6.1f} ms")
    lines += [
        f'name = "{name}"',
        'origin = "doitintl/intercloud-throughput, February 2022, Apache-2.0; one-way = RTT/2; '
        'jitter and loss ours"',
        "",
        "[defaults]",
        'local_delay = "250us"',
        'jitter = "200us"',
        "loss = 0.0",
        "flows = 4",
        "hops = 6",
    ]
    for r in chosen:
        row = [0.0 if r == other else delay[r, other] for other in chosen]
        lines += [
            "",
            "[[regions]]",
            f'name = "{short[r]}"',
            f'title = "{NAMES[r][1]}, {r[0]} {r[1]}"',
            f"latitude = {places[r][0]}",
            f"longitude = {places[r][1]}",
            "one_way_ms = [" + ", ".join(f"{ms:.3f}" for ms in row) + "]",
        ]
    for r in chosen:
        lines += ["", "[[nodes]]", f'name = "{short[r]}"', f'region = "{short[r]}"']
    lines += ["", "[[nodes]]", 'name = "collector"', f'region = "{collector}"', 'kind = "collector"']
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with results*.csv and locations.csv")
    parser.add_argument("--out", required=True, help="topology file to write")
    parser.add_argument("--regions", type=int, default=12, help="how many (default 12)")
    arguments = parser.parse_args()
    delay = read_delays(arguments.data)
    places = read_places(arguments.data)
    chosen = choose(delay, places, arguments.regions)
    # The collector stands where the farthest region is nearest.
    middle = min(chosen, key=lambda r: max(delay[r, o] + delay[o, r] for o in chosen if o != r))
    name = os.path.splitext(os.path.basename(arguments.out))[0]
    with open(arguments.out, "w") as file:
        file.write(text_of(chosen, delay, places, name, NAMES[middle][0]))
    better = better_relayed(chosen, delay)
    print(f"{arguments.out}: {', '.join(NAMES[r][0] for r in chosen)}; "
          f"{len(better)} ordered pairs better relayed; collector at {NAMES[middle][0]}")


if __name__ == "__main__":
    main()
