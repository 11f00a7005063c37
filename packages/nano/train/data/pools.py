"""Where every value in a dialogue comes from: a seeded source of words, names, places, numbers and expressions.

A value belongs to the training or to the evaluation side by a hash of its text, so the two never share one and no list
of held-out values has to be kept. Names are built from syllables: the open set is far larger than what training sees,
which is what makes the model copy instead of remember.
"""
from __future__ import annotations

import random
import zlib

ONSETS = "b br c d dr f g gr h j k kl l m n p pl r s st t tr v w z sh th".split()
VOWELS = "a e i o u a e i o ai ou".split()
CODAS = ["", "", "", "n", "r", "l", "s", "m", "k", "t", "rd", "nd", "x"]
CITIES = (
    "Oslo Paris Berlin Madrid Rome Vienna Prague Lisbon Dublin Athens Warsaw Helsinki Stockholm Copenhagen Brussels Zurich Geneva Milan "
    "Munich Hamburg Lyon Porto Seville Krakow Budapest Bucharest Sofia Kyiv Riga Vilnius Tallinn Cairo Lagos Nairobi Accra Tunis "
    "Delhi Mumbai Chennai Dhaka Hanoi Bangkok Jakarta Manila Seoul Osaka Kyoto Beijing Shanghai Shenzhen Wuhan Chengdu Taipei "
    "Sydney Perth Auckland Boston Chicago Dallas Denver Miami Seattle Toronto Lima Quito Bogota Santiago Havana"
).split()
FIRST_NAMES = (
    "Anna Ben Clara David Emma Felix Grace Hugo Ivan Julia Karl Lena Mark Nina Oscar Paula Quinn Rosa Sam Tara Uma Victor Wei Xin Yuki Zoe "
    "Li Mei Jun Hana Amir Leila Omar Sara Igor Olga Tom Kate Paul Mary"
).split()
NOUNS = (
    "plan report list budget note draft photo recipe letter ticket invoice key box door garden river report lesson song game book paper color "
    "price weight height score rank level status code size owner author date"
).split()
TITLES = (
    "team meeting; dentist; lunch; yoga class; project review; phone call; dinner; piano lesson; book club; doctor visit; gym; demo; standup; "
    "party; concert; interview; flight; exam; haircut; planning"
).split("; ")
FOLDERS = "docs notes src data logs home work tmp photos reports".split()
EXTENSIONS = "txt md csv json log py".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
ZONES = {
    "Tokyo": "Asia/Tokyo", "Beijing": "Asia/Shanghai", "Shanghai": "Asia/Shanghai", "London": "Europe/London", "Paris": "Europe/Paris",
    "Berlin": "Europe/Berlin", "New York": "America/New_York", "Los Angeles": "America/Los_Angeles", "Chicago": "America/Chicago",
    "Sydney": "Australia/Sydney", "Moscow": "Europe/Moscow", "Madrid": "Europe/Madrid", "Rome": "Europe/Rome", "Seoul": "Asia/Seoul",
    "Delhi": "Asia/Kolkata", "Cairo": "Africa/Cairo", "Singapore": "Asia/Singapore", "Toronto": "America/Toronto", "Dubai": "Asia/Dubai",
    "Hong Kong": "Asia/Hong_Kong",
}
# family -> unit -> factor to the family's base; spelled the way people type them, copied as they are into the call
UNITS = {
    "length": {"km": 1000, "kilometers": 1000, "miles": 1609.344, "meters": 1, "m": 1, "feet": 0.3048, "inches": 0.0254, "cm": 0.01, "yards": 0.9144, "mm": 0.001},
    "mass": {"kg": 1, "kilograms": 1, "pounds": 0.45359237, "grams": 0.001, "g": 0.001, "ounces": 0.028349523125, "tons": 1000, "lb": 0.45359237},
    "volume": {"liters": 1, "gallons": 3.785411784, "ml": 0.001, "cups": 0.2365882365, "pints": 0.473176473},
    "time": {"hours": 3600, "minutes": 60, "seconds": 1, "days": 86400, "weeks": 604800},
    "speed": {"km/h": 1 / 3.6, "mph": 0.44704, "m/s": 1},
}
TEMPERATURES = ["celsius", "fahrenheit", "kelvin"]


def held(text: str) -> bool:
    """True for the tenth of all values that only evaluation may use."""
    return zlib.crc32(text.encode()) % 10 == 0


def show(x: float, digits: int = 10) -> str:
    """A number the way the tools print it: no trailing zeros, no exponent in our ranges."""
    t = f"{x:.{digits}g}"
    return f"{x:.6f}".rstrip("0").rstrip(".") if "e" in t else t


class Values:
    def __init__(self, rng: random.Random, split: str = "train"):
        self.rng, self.evaluation = rng, split == "eval"

    def one(self, seq):
        return self.rng.choice(list(seq))

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def fresh(self, make):
        """Draws until the value lies on this side of the split."""
        for _ in range(200):
            x = make()
            if held(x) == self.evaluation:
                return x
        return x

    def fresh_by(self, make, text):
        """The same for values that are not text themselves."""
        for _ in range(200):
            x = make()
            if held(text(x)) == self.evaluation:
                return x
        return x

    def syllables(self, n: int) -> str:
        r = self.rng
        return "".join(r.choice(ONSETS) + r.choice(VOWELS) + r.choice(CODAS) for _ in range(n))

    def word(self) -> str:
        return self.fresh(lambda: self.syllables(self.rng.choice([1, 2, 2, 2, 3])))

    def name(self) -> str:
        return self.fresh(lambda: self.one(FIRST_NAMES) if self.chance(0.3) else self.syllables(2).capitalize())

    def city(self) -> str:
        return self.fresh(lambda: self.one(CITIES) if self.chance(0.6) else self.syllables(self.rng.choice([2, 2, 3])).capitalize())

    def path(self) -> str:
        def make():
            stem = self.syllables(2) if self.chance(0.6) else self.one(NOUNS) + self.rng.choice(["", "_" + str(self.rng.randint(1, 99))])
            return f"{self.one(FOLDERS)}/{stem}.{self.one(EXTENSIONS)}"
        return self.fresh(make)

    def integer(self) -> int:
        r = self.rng
        if self.chance(0.08):  # runs of one digit, which plain random numbers hardly ever have
            return int(r.choice(["", "", str(r.randint(1, 9)), str(r.randint(1, 9)), str(r.randint(10, 99))]) + r.choice("000123456789") * r.randint(1, 5))
        if self.chance(0.06):
            return r.randint(1, 30) * 10 ** r.randint(1, 4)
        return r.randint(0, r.choice([9, 20, 99, 99, 999, 999, 9999, 99999]))

    def number(self) -> str:
        r = self.rng
        if self.chance(0.25):
            return show(round(r.uniform(0, r.choice([10, 100, 1000])), r.choice([1, 1, 2])))
        return str(self.integer())

    def date(self) -> str:
        r = self.rng
        return f"{r.randint(2024, 2029)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"

    def clock_time(self) -> str:
        return f"{self.rng.randint(0, 23):02d}:{self.rng.randint(0, 59):02d}"

    def sentence(self) -> str:
        r = self.rng
        forms = ["the {n} is {w}", "buy {k} {n}s", "call {p}", "{p} has the {n}", "{w} {n} {k}"]
        return r.choice(forms).format(n=self.one(NOUNS), w=self.word(), k=r.randint(2, 40), p=self.name())


def convert(value: float, src: str, dst: str) -> float:
    for fam in UNITS.values():
        if src in fam and dst in fam:
            return value * fam[src] / fam[dst]
    kelvin = {"celsius": value + 273.15, "fahrenheit": (value - 32) / 1.8 + 273.15, "kelvin": value}[src]
    return {"celsius": kelvin - 273.15, "fahrenheit": (kelvin - 273.15) * 1.8 + 32, "kelvin": kelvin}[dst]
