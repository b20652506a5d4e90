"""The words that guards know, in English and German: those that say nothing, and those that warn.

Every other word counts. A word is filler only if no question's answer changes when it is put
in or left out: where in doubt, it isn't.
"""

from collections.abc import Mapping

LANGUAGES = ("en", "de")


def words_in(text: str) -> frozenset[str]:
    """The words of *text*, each once."""
    return frozenset(text.split())


def _by_word(lines: str) -> dict[str, str]:
    """The first word of each line, by each of its words."""
    found: dict[str, str] = {}
    for line in lines.strip().splitlines():
        name, _, words = line.partition(":")
        found |= dict.fromkeys((name, *words.split()), name)
    return found


# Each tells its language: it is frequent there, and means nothing in the other.
TELLING: Mapping[str, frozenset[str]] = {
    "en": words_in("""
        the of is are does do did can how what which who whom whose when where why for
        to from with and or much many long often may must has have by it there be will
        would should our your my we you
    """),
    "de": words_in("""
        der das den dem des ein eine einen einem einer ist sind wird werden wie wer wen
        wem wann wo warum welche welcher welches welchem welchen kann können ich wir für
        von zu zum zur im mit und oder nicht kein keine bei nach auf viel viele lange
        oft muss soll darf kostet kosten
    """),
}

FILLER: Mapping[str, frozenset[str]] = {
    "en": words_in("""
        a an the is are am be been being do does will would shall has have having get
        gets getting receive receives received there of in on at for per please exactly
        my our possible it apply applies come comes exist exists s
    """),
    "de": words_in("""
        der die das den dem des ein eine einen einem einer eines ist sind sein bitte
        genau im in am an für pro je bei beim haben hat habe bekommt erhält gibt gelten
        gilt es mein meine meinen meiner meinem unser unsere man sich denn
    """),
}

# Directions: what follows one is bound to it.
BINDING: Mapping[str, frozenset[str]] = {
    "en": words_in("""
        from to into onto by with within without before after until till since between
        against via through than as off out about during besides towards behind under
    """),
    "de": words_in("""
        von vom zu zum zur nach aus bis seit ab vor mit ohne gegen durch zwischen als
        außer während trotz wegen hinter neben statt
    """),
}

NEGATION = words_in("""
        not no never none nobody nothing neither nor without cannot except excluding
        exclude excludes excluded unless hardly nowhere lack lacks n't nicht kein keine
        keinen keinem keiner keines nie niemals nichts niemand niemanden niemandem ohne
        weder außer ausgenommen ausgeschlossen kaum
    """)

# What they point at is not in the question.
DEICTIC: Mapping[str, frozenset[str]] = {
    "en": words_in("""
        this that these those it its itself he him his she her hers they them their
        theirs himself herself themselves here there then mine yours ours such same
        former latter aforementioned said previous previously following instead else
        also too again likewise otherwise former
    """),
    "de": words_in("""
        dies diese dieser dieses diesen diesem jene jener jenes jenen jenem es er sie
        ihn ihm ihr ihnen ihre ihren ihrem ihrer ihres seine seinen seinem seiner seines
        hier dort da davon dazu damit darüber dafür daran darauf darin dabei dagegen
        obige obigen obiger obiges selbe derselbe dieselbe dasselbe solche solcher
        solches vorige vorherige folgende auch wieder sonst stattdessen meins deins
        denselben
    """),
}

# What they say depends on the day on which they are asked.
PASSING = words_in("""
        today yesterday tomorrow tonight now nowadays currently current recently recent
        lately latest ago upcoming soonest already still yet heute gestern morgen jetzt
        derzeit aktuell aktuelle aktuellen aktueller aktuelles momentan kürzlich neulich
        neueste neuesten bisher bereits demnächst inzwischen zuletzt
    """)
# These do, before a unit of time.
PASSING_BEFORE_TIME = words_in("""
        last next this coming past previous letzte letzten letzter letztes letztem
        nächste nächsten nächster nächstes nächstem vergangene vergangenen vergangenes
        vorigen kommende kommenden kommendes diesen dieses diese
    """)
PAST: Mapping[str, frozenset[str]] = {
    "en": words_in("did was were had"),
    "de": words_in("war waren wurde wurden hatte hatten"),
}

# Units of time may stand anywhere: "a month", "per month", "monthly".
TIMES: Mapping[str, str] = _by_word("""
second: seconds sekunde sekunden
minute: minutes min minuten
hour: hours hourly stunde stunden stündlich
day: days daily tag tage tagen täglich
night: nights nightly nacht nächte
week: weeks weekly woche wochen wöchentlich
month: months monthly monat monate monaten monats monatlich monatliche monatlichen
quarter: quarters quarterly quartal quartale quartals vierteljährlich
year: years yearly annual annually jahr jahre jahren jahres jährlich jährliche
""")

NUMBERS: Mapping[str, str] = _by_word("""
0: zero null
1: one eins
2: two zwei
3: three drei
4: four vier
5: five fünf
6: six sechs
7: seven sieben
8: eight acht
9: nine neun
10: ten zehn
11: eleven elf
12: twelve zwölf
13: thirteen dreizehn
14: fourteen vierzehn
15: fifteen fünfzehn
16: sixteen sechzehn
17: seventeen siebzehn
18: eighteen achtzehn
19: nineteen neunzehn
20: twenty zwanzig
""")

SYMBOLS: Mapping[str, str] = {
    "€": "euro",
    "$": "dollar",
    "£": "pound",
    "%": "percent",
    "°": "degree",
    "§": "section",
}

# Said before a question; without them it is the same.
OPENINGS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "can you tell me", "could you tell me", "please tell me", "tell me", "do you know",
        "i would like to know", "i want to know", "hello", "hi",
    ),
    "de": (
        "können sie mir sagen", "kannst du mir sagen", "sag mir", "sagen sie mir", "bitte",
        "ich möchte wissen", "hallo", "guten tag",
    ),
}  # fmt: skip

# Participles that no ending tells, with their verbs.
IRREGULAR: Mapping[str, str] = _by_word("""
send: sent
make: made
pay: paid
give: given
take: taken
write: written
sell: sold
hold: held
lose: lost
find: found
build: built
leave: left
choose: chosen
know: known
see: seen
do: done
meet: met
bring: brought
think: thought
spend: spent
lead: led
break: broken
drive: driven
seek: sought
catch: caught
teach: taught
go: went gone
person: people
child: children
man: men
woman: women
""")
