"""What the timezone checks say, in both languages."""

from __future__ import annotations

from datetime import date

from gazelle_sync.quality.finding import Text

ALL_ROWS = Text("all {total} rows", "les {total} lignes")
SOME_ROWS = Text("{count} of {total} rows", "{count} lignes sur {total}")
SINCE_ROWS = Text(
    "rows after {day} only ({count} of {total})", "seulement les lignes après le {day} ({count} sur {total})"
)
SHIFTED = Text("{rows} shifted by {shift}: {cause}", "{rows} : décalage de {shift}, {cause}")
UNEVEN = Text("{rows}: {cause}", "{rows} : {cause}")
MIXTURE = Text("a mixture: {parts}", "un mélange : {parts}")
RIGHT = Text(
    "{total} appointments: the instant of Gazelle, start_at and the UTC date and time agree on every row.",
    "{total} rendez-vous : l'instant de Gazelle, start_at et la date et l'heure UTC concordent sur chaque ligne.",
)
OFF = Text("{column} is not what Gazelle says: {what}.", "{column} n'est pas ce que dit Gazelle : {what}.")
UNSTAGED = Text(
    "{count:# appointment has|# appointments have} no body in staging to compare with.",
    "{count:# rendez-vous n'a|# rendez-vous n'ont} aucun corps en staging auquel les comparer.",
)
MEND = Text(
    "Look for a trigger, a script or a program that writes gazelle_appointments and stop it; then "
    "`gazelle-sync replay --only appointments` puts every row right.",
    "Cherchez un déclencheur, un script ou un programme qui écrit dans gazelle_appointments et arrêtez-le ; ensuite "
    "`gazelle-sync replay --only appointments` remet chaque ligne en ordre.",
)
VIEW_RIGHT = Text(
    "{total} appointments: v_appointments_montreal shows the time of Montreal's clock on every row; PostgreSQL and "
    "Python agree on {edges} instants around clock changes.",
    "{total} rendez-vous : v_appointments_montreal donne l'heure de Montréal sur chaque ligne ; PostgreSQL et Python "
    "s'accordent sur {edges} instants autour des changements d'heure.",
)
VIEW_OFF = Text(
    "v_appointments_montreal does not show the time of Montreal's clock: {what}.",
    "v_appointments_montreal ne donne pas l'heure de Montréal : {what}.",
)
VIEW_ROWS = Text(
    "{count:# appointment is|# appointments are} missing from it, or shown twice",
    "{count:# rendez-vous y manque, ou y figure|# rendez-vous y manquent, ou y figurent} deux fois",
)
ALL_DAY = Text(
    "{count} show a time though they last all day, or none though they do not",
    "{count} affichent une heure alors qu'ils durent toute la journée, ou aucune alors qu'ils ont une heure",
)
ZONE_DATA = Text(
    "PostgreSQL's time zone database and Python's differ on {count} instants around clock changes",
    "les bases de fuseaux horaires de PostgreSQL et de Python diffèrent sur {count} instants autour des changements "
    "d'heure",
)
MEND_VIEW = Text(
    "Make the view again from sql/migrations/005_views.sql; if the zone databases differ, update the server's tzdata.",
    "Recréez la vue avec sql/migrations/005_views.sql ; si les bases de fuseaux diffèrent, mettez à jour tzdata sur le "
    "serveur.",
)
REFERENCE_RIGHT = Text(
    "{total} reference appointments (Tire le Coyote) show 07:00 and 18:00 in Montreal, {winter} of them in winter and "
    "{summer} in summer.",
    "{total} rendez-vous de référence (Tire le Coyote) affichent 07:00 et 18:00 à Montréal, dont {winter} en hiver et "
    "{summer} en été.",
)
REFERENCE_OFF = Text(
    "{count} of {total} reference appointments (Tire le Coyote) do not show the hour that they announce: {what}.",
    "{count} rendez-vous de référence (Tire le Coyote) sur {total} n'affichent pas l'heure annoncée : {what}.",
)
REFERENCE_NONE = Text(
    "The calendar holds no reference appointment, so nobody can tell whether Gazelle itself sends the right hours.",
    "Le calendrier ne contient aucun rendez-vous de référence : rien ne dit si Gazelle lui-même envoie les bonnes "
    "heures.",
)
MAKE_REFERENCE = Text(
    'Make two appointments in Gazelle, "Tire le Coyote avant 8h" at 07:00 and "Tire le Coyote à 18h" at 18:00, one '
    "pair in winter and one in summer.",
    "Créez deux rendez-vous dans Gazelle, « Tire le Coyote avant 8h » à 07:00 et « Tire le Coyote à 18h » à 18:00, une "
    "paire en hiver et une en été.",
)
LOOK_IN_GAZELLE = Text(
    "Look at them in Gazelle. If it shows the announced hour there, the sync or the view is at fault: see the other "
    "timezone checks.",
    "Regardez-les dans Gazelle. Si l'heure annoncée y est, la faute est dans la synchro ou la vue : voyez les autres "
    "contrôles timezone.",
)
TITLES_RIGHT = Text(
    "{total} titles looked at, {announcing} announce an hour: all agree with the time shown.",
    "{total} titres examinés, {announcing} annoncent une heure : tous concordent avec l'heure affichée.",
)
TITLES_OFF = Text(
    "{count} of {announcing} titles that announce an hour do not agree with the time shown.",
    "{count} titres sur {announcing} annonçant une heure ne concordent pas avec l'heure affichée.",
)
TITLES_SYSTEMATIC = Text(
    "{count} of {announcing} titles that announce an hour are off by the same {shift}: that is no mistyping.",
    "{count} titres sur {announcing} annonçant une heure sont décalés des mêmes {shift} : ce ne sont pas des fautes de "
    "frappe.",
)
ASK_WHO_TYPED = Text(
    "People mistype: correct the title or the hour in Gazelle.",
    "On se trompe en tapant : corrigez le titre ou l'heure dans Gazelle.",
)
ANNOUNCED_SHOWN = Text("{id}: announces {said}, shows {shown}", "{id} : annonce {said}, affiche {shown}")
SCHEMA_RIGHT = Text(
    "Nothing moves hours: no trigger on gazelle_appointments, no local time in any table.",
    "Rien ne déplace les heures : aucun déclencheur sur gazelle_appointments, aucune heure locale dans les tables.",
)
SCHEMA_NONE = Text("Tables that are not there: {what}.", "Tables qui n'existent pas : {what}.")
MIGRATE = Text(
    "`gazelle-sync migrate` makes them again and says what to do then.",
    "`gazelle-sync migrate` les recrée et dit quoi faire ensuite.",
)
SCHEMA_OFF = Text("Something may move hours: {what}.", "Quelque chose peut déplacer les heures : {what}.")
DROP = Text(
    "Drop it (sql/migrations/004_remove_timezone_trigger.sql has the statements for the old trigger): tables hold "
    "UTC, local time lives in views.",
    "Supprimez-le (sql/migrations/004_remove_timezone_trigger.sql contient les instructions pour l'ancien "
    "déclencheur) : les tables sont en UTC, l'heure locale n'existe que dans les vues.",
)
MONTHS_FR = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip
MONTHS_EN = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def written_day(language: str, day: date) -> str:
    """A day as a person writes it: `8 March 2026`, `8 mars 2026`."""
    months = MONTHS_FR if language == "fr" else MONTHS_EN
    return f"{day.day} {months[day.month - 1]} {day.year}"
