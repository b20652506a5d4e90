"""Synonyms: a question's stems with what else says the same in handbooks, contracts and help pages.

The static embedder does not know that "work from home" and "remote work" mean
the same. This short list says so for words of everyday business. It widens what a
question matches, and never what it excludes: a text with none of them loses nothing.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

Stems = frozenset[int]
Synonyms = Mapping[int, tuple[Stems, ...]]  # by stem of the question: what stands for it

# One line for each meaning. A phrase is met where all its words are, in any order.
_ENGLISH = """
work from home, home office, remote, remotely, telework, telecommute
vacation, holiday, time off, annual leave, pto
headquarters, head office, main office, registered office
refund, money back, money returned, reimbursement, repay, pays back
sick, ill, illness, unwell
salary, wage, pay, earnings, compensation
quit, resign, leaving, notice period, terminate
maternity, paternity, parental
employee, staff, worker, colleague, personnel
purchase, buy, order
price, cost, fee, charge, expensive
spend, cost, expense
boss, manager, team lead, supervisor
chief executive, ceo
chief financial officer, finance director, cfo
phone number, telephone, call
e-mail, email, mail address
contact, reach, get in touch, talk to us
login, log in, sign in, sign-in, signin
password, passkey, credentials
delete, erase, remove, deletion
cancel, terminate, contract ends, end of the contract
information, data, records
customer, client, user
encrypted, encryption
outage, downtime, unavailable, incident
availability, uptime
offline, without a signal, without internet
mobile app, phone app, driver app, app on the phone
faulty, defective, broken, fault
repair, fix, mend
faint, pale
guarantee, warranty
shipping, delivery
invoice, bill, billing
payment terms, due in
discount, rebate, reduction
upgrade, downgrade, change my plan
subscription, plan, contract
training, learning, courses, education
allowance, budget, stipend
hotel, accommodation, lodging
meal, food, per diem
trip, travel, journey
gift, present
harassment, misconduct, bullying, concern
anonymous, anonymously, without your name, without my name
whistleblower, report a concern, speak up
accident, injury, near miss
certification, certificate, certified, accreditation
privacy, data protection, gdpr
breach, leak, security incident
subprocessor, sub-processor, subcontractor
backup, backed up
retention, kept for, stored for, keep
opening hours, support hours, business hours, open from
deadline, due date
maximum, limit, longest, highest
location, address
lawyer, legal, attorney
car, vehicle
truck, lorry
elevator, lift
children, child, kids
allowed, permitted
forbidden, prohibited, not allowed
hire, recruit, recruiting, hiring
start, begin, beginning
finish, end
error, fault, failure
docs, documentation, manual, guide
"""
_GERMAN = """
homeoffice, von zu hause, mobiles arbeiten, mobil arbeiten, telearbeit
urlaub, ferien, freie tage, erholungsurlaub
hauptsitz, firmensitz, zentrale, hauptverwaltung
erstattung, rückzahlung, geld zurück, rückerstattung
krank, krankheit, arbeitsunfähig, erkrankt
gehalt, lohn, vergütung, bezahlung, verdienst
kündigung, kündigen, beenden, kündigungsfrist
mutterschutz, elternzeit, vaterschaftsurlaub
mitarbeiter, beschäftigte, angestellte, personal, arbeitnehmer
kaufen, einkauf, bestellen, beschaffung, anschaffung
preis, kosten, gebühr, kostet, entgelt
chef, vorgesetzter, teamleitung, leitung
geschäftsführer, geschäftsführung, vorstand
telefonnummer, telefon, anruf
kontakt, erreichen, ansprechpartner
anmelden, einloggen, anmeldung, login
passwort, kennwort
löschen, entfernen, löschung
daten, informationen
kunde, auftraggeber, nutzer
ausfall, störung, unterbrechung
verfügbarkeit, betriebszeit
defekt, kaputt, fehlerhaft, beschädigt
reparatur, reparieren, instandsetzung
garantie, gewährleistung
versand, lieferung, zustellung
rechnung, abrechnung, faktura
rabatt, nachlass, ermäßigung
schulung, weiterbildung, fortbildung, training
übernachtung, hotel, unterkunft
dienstreise, geschäftsreise, reise
geschenk, zuwendung
unfall, verletzung
zertifikat, zertifizierung, zertifiziert
datenschutz, dsgvo
sicherungskopie, backup, datensicherung
aufbewahrung, aufbewahrt, gespeichert
öffnungszeiten, geschäftszeiten, servicezeiten
adresse, anschrift, standort
auto, fahrzeug, pkw
lastwagen, lkw
kinder, kind
anfang, beginn, start
ende, schluss
"""
_LISTS = {"english": _ENGLISH, "german": _GERMAN}


class Thesaurus:
    """Synonyms of one *language*; *terms* gives the stems of a text, without stop words."""

    def __init__(self, terms: Callable[[str], Stems], language: str) -> None:
        self._terms = terms
        self._language = language

    def of(self, question: Stems) -> Synonyms:
        """For stems of *question*, the sets of stems of which any one, whole, stands for them."""
        found: dict[int, set[Stems]] = {}
        candidates = {number for stem in question for number in self._lines_with.get(stem, ())}
        for number in candidates:
            line = self._lines[number]
            for phrase in line:
                if phrase <= question:
                    for stem in phrase:
                        found.setdefault(stem, set()).update(line - {phrase})
        return {stem: tuple(others) for stem, others in found.items()}

    @cached_property
    def _lines(self) -> list[frozenset[Stems]]:
        lines = _LISTS.get(self._language, "").strip().splitlines()
        return [
            frozenset(stems for phrase in line.split(",") if (stems := self._terms(phrase.strip())))
            for line in lines
        ]

    @cached_property
    def _lines_with(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, line in enumerate(self._lines):
            for stem in frozenset[int]().union(*line):
                found.setdefault(stem, []).append(number)
        return found


def says(stems: Stems, stem: int, synonyms: Synonyms) -> bool:
    """Whether a text of these *stems* holds *stem*, or something that stands for it."""
    return stem in stems or any(other <= stems for other in synonyms.get(stem, ()))
