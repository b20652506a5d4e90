"""The words that guards know, in English and German: which say nothing, and which say the same.

Every other word counts. A word belongs here only if putting it in, leaving it out, or taking
another of its line changes the answer to no question: where in doubt, it stays out.
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
    "en": words_in("did was were had used"),
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

# One line for each meaning, what it is called first. Each may be put for each, everywhere.
SAME: Mapping[str, str] = {
    "en": """
more: more than, above, over, exceeding, greater than, higher than, larger than, in excess of
less: less than, below, fewer than, lower than, smaller than
most: up to, at most, no more than, not more than, at the most
least: at least, no less than, not less than, no fewer than
must: must, has to, have to, need to, needs to, is required to, are required to, obliged to
can: can, could, may, is it possible to, is it possible for, able to, allowed to, permitted to
if: if, when, whenever, in case, as soon as
any: anything, something
price: price, cost, costs, costing, priced, fee, fees
request: ask for, asks for, request, requests, requesting
backup: back up, backs up, backed up, backup, backups
keep: keep, keeps, kept, store, stores, stored, retain, retains, retained
delete: delete, deletes, deleted, erase, erases, erased
tell: tell, tells, told, inform, informs, informed, notify, notifies, notified
remote: remotely, from home, remote work
holiday: holiday, holidays, vacation, annual leave
refund: refund, refunds, refunded, reimburse, reimburses, reimbursed, reimbursement
repay: repay, repaid, pay back, pays back, paid back
buy: buy, buys, bought, purchase, purchases, purchased
begin: begin, begins, start, starts, begun, started
end: end, ends, ended, finish, finishes, finished
repair: repair, repairs, repaired, fix, fixes, fixed
contact: contact, get in touch with, reach out to
need: need, needs, require, requires
allow: allow, allows, permit, permits
cancel: cancel, cancels, cancelled, canceled, terminate, terminates, terminated
include: include, includes, included, contain, contains, contained
picture: picture, pictures, photo, photos, photograph, photographs
reply: answer, answers, answered, reply, replies, replied, respond, responds, response
occur: occur, occurs, happen, happens
increase: increase, increases, increased, raise, raises, raised
reduce: reduce, reduces, reduced, decrease, decreases, decreased
deadline: deadline, deadlines, due date
invoice: invoice, invoices, bill, bills
colleague: colleague, colleagues, coworker, coworkers, co-worker, co-workers
choose: choose, chooses, chosen, select, selects, selected
submit: submit, submits, submitted, hand in
mobile: mobile phone, cell phone, mobile
lorry: lorry, lorries, truck, trucks
employee: employee, employees, staff member, staff members, staff
email: email, emails, e-mail, e-mails
phone: phone, telephone
login: log in, login, sign in, sign-in, log-in, logging in, signing in
password: password, passwords, passphrase
change: change, changes, changed, modify, modifies, modified, alter, alters, altered
show: show, shows, shown, display, displays, displayed
often: often, frequently
quickly: quickly, fast, quick, soon, rapidly, swiftly
headquarters: headquarters, head office, main office
ceo: ceo, chief executive, chief executive officer
cfo: cfo, chief financial officer
faulty: faulty, defective
availability: availability, uptime
euro: euro, euros, eur
dollar: dollar, dollars, usd
pound: gbp
percent: percent, per cent
kilowatt: kw, kilowatt, kilowatts
gigabyte: gb, gigabyte, gigabytes
megabyte: mb, megabyte, megabytes
another: another, a different
maximum: maximum, max, maximal, highest, largest possible
minimum: minimum, min, minimal, lowest, smallest possible
""",
    "de": """
more: mehr als, über, oberhalb von, höher als
less: weniger als, unter, unterhalb von, niedriger als
most: bis zu, höchstens, maximal
least: mindestens, wenigstens
must: muss, müssen, soll, sollen, sollte
can: kann, können, könnte, darf, dürfen, möglich, ist es möglich, lässt sich
if: wenn, falls, sobald
price: kostet, kosten, preis, preise, gebühr, gebühren, entgelt, koste
get: bekomme, bekommen, erhalte, erhalten
quit: kündigen, kündigung, gekündigt, kündige
change: ändern, geändert, ändert, verändern
do: tun, machen, mache
often: oft, häufig
quickly: schnell, bald, rasch
delete: löschen, gelöscht, löscht
keep: aufbewahrt, aufbewahren, gespeichert, speichern
begin: beginnen, beginnt, starten, startet, anfangen
end: enden, endet
electricity: strom
euro: euro, eur
percent: prozent
kilowatt: kw, kilowatt
employee: mitarbeiter, mitarbeiterin, mitarbeitern, beschäftigte, angestellte
firm: firma, unternehmen
car: auto, pkw
lorry: lkw, lastwagen
login: anmelden, einloggen, anmeldung
password: passwort, kennwort
include: enthalten, inbegriffen, inklusive, enthält
faulty: defekt, kaputt
address: adresse, anschrift
send: senden, schicken, gesendet, geschickt
need: benötige, benötigen, brauche, brauchen, benötigt, braucht
cancel: stornieren, storniert, stornierung
represent: vertritt, vertreten
read: ablesen, abgelesen, liest
email: email, e-mail, mail
phone: telefon, telefonisch
invoice: rechnung, rechnungen
""",
}

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
