"""What the timezone checks say."""

from __future__ import annotations

from gazelle_sync.i18n.translator import Message, Plural

ALL_ROWS = Message("all {total} rows")
SOME_ROWS = Message("{count} of {total} rows")
SINCE_ROWS = Message("rows after {day} only ({count} of {total})")
SHIFTED = Message("{rows} shifted by {shift}: {cause}")
UNEVEN = Message("{rows}: {cause}")
MIXTURE = Message("a mixture: {parts}")
RIGHT = Message("{total} appointments: the instant of Gazelle, start_at and the UTC date and time agree on every row.")
OFF = Message("{column} is not what Gazelle says: {what}.")
UNSTAGED = Plural(
    "{count} appointment has no body in staging to compare with.",
    "{count} appointments have no body in staging to compare with.",
)
MEND = Message(
    "Look for a trigger, a script or a program that writes gazelle_appointments and stop it; then `gazelle-sync "
    "replay --only appointments` puts every row right."
)
VIEW_RIGHT = Message(
    "{total} appointments: v_appointments_montreal shows the time of Montreal's clock on every row; PostgreSQL and "
    "Python agree on {edges} instants around clock changes."
)
VIEW_OFF = Message("v_appointments_montreal does not show the time of Montreal's clock: {what}.")
VIEW_ROWS = Plural(
    "{count} appointment is missing from it, or shown twice",
    "{count} appointments are missing from it, or shown twice",
)
ALL_DAY = Message("{count} show a time though they last all day, or none though they do not")
ZONE_DATA = Message("PostgreSQL's time zone database and Python's differ on {count} instants around clock changes")
MEND_VIEW = Message(
    "Make the view again from sql/migrations/005_views.sql; if the zone databases differ, update the server's tzdata."
)
REFERENCE_RIGHT = Message(
    "{total} reference appointments (Tire le Coyote) show 07:00 and 18:00 in Montreal, {winter} of them in winter and "
    "{summer} in summer."
)
REFERENCE_OFF = Message(
    "{count} of {total} reference appointments (Tire le Coyote) do not show the hour that they announce: {what}."
)
REFERENCE_NONE = Message(
    "The calendar holds no reference appointment, so nobody can tell whether Gazelle itself sends the right hours."
)
MAKE_REFERENCE = Message(
    'Make two appointments in Gazelle, "Tire le Coyote avant 8h" at 07:00 and "Tire le Coyote à 18h" at 18:00, one '
    "pair in winter and one in summer."
)
LOOK_IN_GAZELLE = Message(
    "Look at them in Gazelle. If it shows the announced hour there, the sync or the view is at fault: see the other "
    "timezone checks."
)
TITLES_RIGHT = Message("{total} titles looked at, {announcing} announce an hour: all agree with the time shown.")
TITLES_OFF = Message("{count} of {announcing} titles that announce an hour do not agree with the time shown.")
TITLES_SYSTEMATIC = Message(
    "{count} of {announcing} titles that announce an hour are off by the same {shift}: that is no mistyping."
)
ASK_WHO_TYPED = Message("People mistype: correct the title or the hour in Gazelle.")
ANNOUNCED_SHOWN = Message("{id}: announces {said}, shows {shown}")
SCHEMA_RIGHT = Message("Nothing moves hours: no trigger on gazelle_appointments, no local time in any table.")
SCHEMA_NONE = Message("Tables that are not there: {what}.")
MIGRATE = Message("`gazelle-sync migrate` makes them again and says what to do then.")
SCHEMA_OFF = Message("Something may move hours: {what}.")
DROP = Message(
    "Drop it (sql/migrations/004_remove_timezone_trigger.sql has the statements for the old trigger): tables hold "
    "UTC, local time lives in views."
)
