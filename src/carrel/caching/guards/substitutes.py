"""Words and phrases that may stand for each other in a question, in English and German.

Two belong on a line only if no question's answer changes when one is put for the other: opposites,
parts and kinds do not, and synonyms of a search engine need not.
"""

from collections.abc import Mapping

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
