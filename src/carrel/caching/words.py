"""The words that guards know, in English and German: which say nothing, and which say the same.

Every other word counts. A word belongs here only if putting it in, leaving it out, or taking
another of its line changes the answer to no question: where in doubt, it stays out.
"""

from collections.abc import Mapping

LANGUAGES = ("en", "de")

# Each tells its language: it is frequent there, and means nothing in the other.
TELLING: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        """the of is are does do did can how what which who whom whose when where why for to from
        with and or much many long often may must has have by it there be will would should
        our your my we you""".split()
    ),
    "de": frozenset(
        """der das den dem des ein eine einen einem einer ist sind wird werden wie wer wen wem wann
        wo warum welche welcher welches welchem welchen kann können ich wir für von zu zum zur
        im mit und oder nicht kein keine bei nach auf viel viele lange oft muss soll darf kostet kosten""".split()
    ),
}

FILLER: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        """a an the is are am be been being do does will would shall has have having get gets
        getting receive receives received there of in on at for per please exactly my our
        possible it apply applies come comes exist exists s""".split()
    ),
    "de": frozenset(
        """der die das den dem des ein eine einen einem einer eines ist sind sein bitte genau im in
        am an für pro je bei beim haben hat habe bekommt erhält gibt gelten gilt es mein meine
        meinen meiner meinem unser unsere man sich denn""".split()
    ),
}

# Directions: what follows one is bound to it.
BINDING: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        """from to into onto by with within without before after until till since between against
        via through than as off out about during besides towards behind under""".split()
    ),
    "de": frozenset(
        """von vom zu zum zur nach aus bis seit ab vor mit ohne gegen durch zwischen als außer
        während trotz wegen hinter neben statt""".split()
    ),
}

NEGATION = frozenset(
    """not no never none nobody nothing neither nor without cannot except excluding exclude excludes
    excluded unless hardly nowhere lack lacks n't
    nicht kein keine keinen keinem keiner keines nie niemals nichts niemand niemanden niemandem
    ohne weder außer ausgenommen ausgeschlossen kaum""".split()
)

# What they point at is not in the question.
DEICTIC: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        """this that these those it its itself he him his she her hers they them their theirs
        himself herself themselves here there then mine yours ours such same former latter
        aforementioned said previous previously following instead else also too again likewise
        otherwise former""".split()
    ),
    "de": frozenset(
        """dies diese dieser dieses diesen diesem jene jener jenes jenen jenem es er sie ihn ihm ihr
        ihnen ihre ihren ihrem ihrer ihres seine seinen seinem seiner seines hier dort da davon dazu
        damit darüber dafür daran darauf darin dabei dagegen obige obigen obiger obiges selbe
        derselbe dieselbe dasselbe solche solcher solches vorige vorherige folgende auch wieder
        sonst stattdessen meins deins denselben""".split()
    ),
}

# What they say depends on the day on which they are asked.
PASSING = frozenset(
    """today yesterday tomorrow tonight now nowadays currently current recently recent lately latest
    ago upcoming soonest already still yet
    heute gestern morgen jetzt derzeit aktuell aktuelle aktuellen aktueller aktuelles momentan
    kürzlich neulich neueste neuesten bisher bereits demnächst inzwischen zuletzt""".split()
)
# These do, before a unit of time.
PASSING_BEFORE_TIME = frozenset(
    """last next this coming past previous letzte letzten letzter letztes letztem nächste nächsten
    nächster nächstes nächstem vergangene vergangenen vergangenes vorigen kommende kommenden
    kommendes diesen dieses diese""".split()
)
PAST: Mapping[str, frozenset[str]] = {
    "en": frozenset("did was were had used".split()),
    "de": frozenset("war waren wurde wurden hatte hatten".split()),
}

# Units of time may stand anywhere: "a month", "per month", "monthly".
TIMES: Mapping[str, str] = {
    word: words[0]
    for words in (
        "second seconds sekunde sekunden".split(),
        "minute minutes min minuten".split(),
        "hour hours hourly stunde stunden stündlich".split(),
        "day days daily tag tage tagen täglich".split(),
        "night nights nightly nacht nächte".split(),
        "week weeks weekly woche wochen wöchentlich".split(),
        "month months monthly monat monate monaten monats monatlich monatliche monatlichen".split(),
        "quarter quarters quarterly quartal quartale quartals vierteljährlich".split(),
        "year years yearly annual annually jahr jahre jahren jahres jährlich jährliche".split(),
    )
    for word in words
}

NUMBERS: Mapping[str, str] = {
    word: str(number)
    for number, line in enumerate(
        """zero null
        one eins
        two zwei
        three drei
        four vier
        five fünf
        six sechs
        seven sieben
        eight acht
        nine neun
        ten zehn
        eleven elf
        twelve zwölf
        thirteen dreizehn
        fourteen vierzehn
        fifteen fünfzehn
        sixteen sechzehn
        seventeen siebzehn
        eighteen achtzehn
        nineteen neunzehn
        twenty zwanzig""".splitlines()
    )
    for word in line.split()
}

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
can: can, could, may, is it possible to, is it possible for, able to, allowed to, permitted to, be allowed to
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
represent: vertritt, vertreten
read: ablesen, abgelesen, liest
email: email, e-mail, mail
phone: telefon, telefonisch
invoice: rechnung, rechnungen
""",
}

# Participles that no ending tells, with their verbs.
IRREGULAR: Mapping[str, str] = dict(
    pair.split("=")
    for pair in """sent=send made=make paid=pay given=give taken=take written=write sold=sell held=hold
    lost=lose found=find built=build left=leave chosen=choose shown=show known=know seen=see done=do
    met=meet set=set cut=cut put=put read=read brought=bring thought=think spent=spend led=lead
    begun=begin broken=break driven=drive sought=seek caught=catch taught=teach went=go gone=go
    people=person children=child men=man women=woman""".split()
)
