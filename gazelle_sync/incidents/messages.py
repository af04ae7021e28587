"""What an alert says, in French or English: what is wrong, since when, what to do, and the run's page.

Only our own sentences, names of entities, jobs and checks, counts and ids go in. A check's own words lose what they
quote. See `causes.py` for why an error's words are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gazelle_sync.i18n.names import NAMES, entity_name
from gazelle_sync.i18n.plurals import counted
from gazelle_sync.incidents.trouble import Trouble
from gazelle_sync.montreal import montreal_time
from gazelle_sync.notifications.ledger import Occurrence, Severity
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.settings import Settings

CAUSES = {
    "en": {
        "mass_deletion": "{number} records or more are gone at Gazelle at once. Nothing was deleted here. Look at "
        "Gazelle; if they really were deleted, `gazelle-sync status` shows the command that lets it through.",
        "mass_emptying": "Gazelle sent empty tags for {number} records at once. They were set aside, nothing was "
        "emptied here. Look at Gazelle; `gazelle-sync status` shows the command that lets it through.",
        "mass_vanishing": "Gazelle leaves out {number} contacts, items or other parts of records at once. Those "
        "records were set aside, nothing was removed here. Look at Gazelle; `gazelle-sync status` shows the command "
        "that lets it through.",
        "wrong_account": "The database holds another account than the one that is set. Nothing was done. Check "
        "GAZELLE_API_URL and GAZELLE_DATABASE_URL.",
        "credentials": "Gazelle refuses the credentials, or there are none. Check GAZELLE_API_TOKEN, or authorize the "
        "OAuth application again.",
        "dagster_database": "Dagster's own database cannot be reached, or refuses. Check GAZELLE_DAGSTER_POSTGRES_URL "
        "and the room on its disk.",
        "disk": "A disk is full. Free some space; the next run takes up the rest.",
        "rights": "PostgreSQL refuses the role that is set. Grant it gazelle_writer, or use the owner's.",
        "database": "PostgreSQL went away or refused. Check that the server runs and lets this machine in.",
        "another_run": "Another run was still going. If this lasts, `gazelle-sync status` shows which.",
        "stopped": "The run was stopped or its process died. What it committed is kept; the next run "
        "takes up the rest.",
        "unreachable": "Gazelle cannot be reached, or does not answer in time. Each run tries again.",
        "http": "Gazelle answers with HTTP {number}. Each run tries again; `gazelle-sync doctor` tells whether "
        "it is us.",
        "answered_errors": "Gazelle answers with errors. Each run tries again; its words are on the run's page.",
        "unreadable": "Gazelle's answer cannot be read (a proxy's page, or cut short). Each run tries again.",
        "settings": "A variable is missing or makes no sense. `gazelle-sync doctor` tells which.",
        "fault": "gazelle_sync met something that it does not know how to handle. What was done is kept; the log file "
        "says where it happened.",
        "unknown": "A cause that has no name yet. Its words are on the run's page and in the log file.",
    },
    "fr": {
        "mass_deletion": "Au moins {number} fiches ont disparu d'un coup chez Gazelle. Rien n'a été supprimé ici. "
        "Vérifiez dans Gazelle ; si la suppression est voulue, `gazelle-sync status` montre la commande qui l'accepte.",
        "mass_emptying": "Gazelle a envoyé des étiquettes vides pour {number} fiches d'un coup. Elles ont été mises de "
        "côté, rien n'a été vidé ici. Vérifiez dans Gazelle ; `gazelle-sync status` montre la commande qui l'accepte.",
        "mass_vanishing": "Gazelle omet d'un coup {number} contacts, lignes ou autres éléments de fiches. Ces "
        "fiches ont été mises de côté, rien n'a été retiré ici. Vérifiez dans Gazelle ; `gazelle-sync status` montre "
        "la commande qui l'accepte.",
        "wrong_account": "La base contient un autre compte que celui qui est réglé. Rien n'a été fait. Vérifiez "
        "GAZELLE_API_URL et GAZELLE_DATABASE_URL.",
        "credentials": "Gazelle refuse les identifiants, ou il n'y en a pas. Vérifiez GAZELLE_API_TOKEN, ou autorisez "
        "de nouveau l'application OAuth.",
        "dagster_database": "La base de Dagster est injoignable, ou refuse. Vérifiez GAZELLE_DAGSTER_POSTGRES_URL "
        "et la place sur son disque.",
        "disk": "Un disque est plein. Libérez de l'espace ; la prochaine exécution reprend la suite.",
        "rights": "PostgreSQL refuse le rôle réglé. Accordez-lui gazelle_writer, ou prenez celui du propriétaire.",
        "database": "PostgreSQL a disparu ou a refusé. Vérifiez que le serveur tourne et accepte cette machine.",
        "another_run": "Une autre exécution était en cours. Si cela dure, `gazelle-sync status` montre laquelle.",
        "stopped": "L'exécution a été arrêtée ou son processus est mort. Ce qu'elle a enregistré est conservé ; la "
        "prochaine reprend la suite.",
        "unreachable": "Gazelle est injoignable, ou ne répond pas à temps. Chaque exécution réessaie.",
        "http": "Gazelle répond HTTP {number}. Chaque exécution réessaie ; `gazelle-sync doctor` dit si cela vient de "
        "nous.",
        "answered_errors": "Gazelle répond par des erreurs. Chaque exécution réessaie ; ses mots sont sur la page de "
        "l'exécution.",
        "unreadable": "La réponse de Gazelle est illisible (page d'un serveur mandataire, ou coupée). Chaque exécution "
        "réessaie.",
        "settings": "Une variable manque ou n'a pas de sens. `gazelle-sync doctor` dit laquelle.",
        "fault": "gazelle_sync a rencontré quelque chose qu'il ne sait pas traiter. Ce qui a été fait est conservé ; "
        "le journal dit où cela s'est passé.",
        "unknown": "Une cause qui n'a pas encore de nom. Ses mots sont sur la page de l'exécution et dans le journal.",
    },
}  # fmt: skip

MESSAGES = {
    "en": {
        "failed_run": ("The sync failed: {names}", "{cause}"),
        "failed_job": ("A run of {names} failed", "{cause}"),
        "failed_check": ("Check failed: {names}", "{said}"),
        "stale_data": ("Data is stale: {names}", "Not in step with Gazelle for {minutes} minutes. Is `gazelle-sync up` "
                       "running? `gazelle-sync status` tells more."),
        "many_errors": ("{count} records came into error within an hour", "{by_entity}. The other records go on. "
                        "`gazelle-sync errors` shows which and why."),
        "failed_push": ("{count:# change|# changes} could not be sent to Gazelle within an hour",
                        "Tried {tries} times in all. What did not go stays marked "
                        "as to be sent. `gazelle-sync status` and the table sync_gazelle_logs tell which and why."),
        "slow_run": ("A run takes far longer than usual: {names}", "{seconds} s, usually {usual} s. Gazelle, the "
                     "network or the database is slow, or there is much to do."),
        "database": ("The database cannot be reached", "{cause}"),
        "recovered": ("Over: {title}", "It began on {since} and ended on {until} (Montreal)."),
    },
    "fr": {
        "failed_run": ("La synchro a échoué : {names}", "{cause}"),
        "failed_job": ("Une exécution de {names} a échoué", "{cause}"),
        "failed_check": ("Vérification en échec : {names}", "{said}"),
        "stale_data": ("Données en retard : {names}", "Pas au pas de Gazelle depuis {minutes} minutes. "
                       "`gazelle-sync up` est-il en marche ? `gazelle-sync status` en dit plus."),
        "many_errors": ("{count} fiches en erreur depuis une heure", "{by_entity}. Les autres fiches suivent "
                        "leur cours. `gazelle-sync errors` montre lesquelles et pourquoi."),
        "failed_push": ("{count:# modification n'est pas partie|# modifications ne sont pas parties} vers Gazelle en "
                        "une heure", "{tries} essais en tout. Ce qui n'est pas parti reste à "
                        "envoyer. `gazelle-sync status` et la table sync_gazelle_logs disent lesquelles et pourquoi."),
        "slow_run": ("Une exécution dure bien plus que d'habitude : {names}", "{seconds} s, d'habitude {usual} s. "
                     "Gazelle, le réseau ou la base est lent, ou il y a beaucoup à faire."),
        "database": ("La base de données est injoignable", "{cause}"),
        "recovered": ("Terminé : {title}", "Commencé le {since}, terminé le {until} (Montréal)."),
    },
}  # fmt: skip

WORDS = {
    "en": {
        "run": "The run: {link}",
        "since": "Since {when} in Montreal.",
        "checks": "{count} checks",
    },
    "fr": {
        "run": "L'exécution : {link}",
        "since": "Depuis le {when} à Montréal.",
        "checks": "{count} vérifications",
    },
}

MARKS = {"error": "✗", "warning": "⚠"}
OVER = "✓"
NAMES_SHOWN = 4
OWN_NAMES = ("failed_job", "failed_check", "slow_run")
"""Rules whose subjects are no entities: they go by the names that the UI shows."""


@dataclass(frozen=True)
class Wording:
    """A message: one line, and the rest."""

    title: str
    text: str


def describe(rule: str, troubles: Sequence[Trouble], settings: Settings, now: datetime) -> Wording:
    """The message of troubles that one rule found and that have one cause.

    Args:
        rule: Its name.
        troubles: At least one.
        settings: For the language, the UI's address and what must not be said.
        now: Aware.
    """
    words = WORDS[settings.language]
    title, text = MESSAGES[settings.language][rule]
    first = troubles[0]
    values = {
        **first.details,
        "names": _names(rule, troubles, settings.language),
        "minutes": max((int(t.details.get("minutes", 0)) for t in troubles), default=0),
        "cause": _cause(first, settings.language),
        "said": "\n".join(_said(trouble, settings) for trouble in troubles),
        "by_entity": _by_entity(first, settings.language),
    }
    lines = [counted(settings.language, text, **values), words["since"].format(when=_when(now))]
    if first.run_id:
        lines.append(words["run"].format(link=run_link(settings, first.run_id)))
    return Wording(f"{MARKS[worst(troubles)]} Gazelle: {counted(settings.language, title, **values)}", "\n".join(lines))


def describe_end(occurrence: Occurrence, settings: Settings, now: datetime) -> Wording:
    """The message that says that a trouble is over."""
    title, text = MESSAGES[settings.language]["recovered"]
    told = occurrence.title.partition("Gazelle: ")[2] or occurrence.title
    body = text.format(since=_when(occurrence.opened_at), until=_when(now))
    return Wording(f"{OVER} Gazelle: {title.format(title=told)}", body)


def worst(troubles: Sequence[Trouble]) -> Severity:
    """The severity of a message about several troubles."""
    return "error" if any(trouble.severity == "error" for trouble in troubles) else "warning"


def run_link(settings: Settings, run_id: str) -> str:
    """A run's page in the UI."""
    return f"{settings.ui_url}/runs/{run_id}"


def _names(rule: str, troubles: Sequence[Trouble], language: str) -> str:
    if rule == "failed_check" and len(troubles) > NAMES_SHOWN:
        return WORDS[language]["checks"].format(count=len(troubles))
    if rule in OWN_NAMES:
        return ", ".join(str(trouble.details.get("check", trouble.subject)) for trouble in troubles)
    return ", ".join(entity_name(NAMES[language], trouble.subject) for trouble in troubles)


def _cause(trouble: Trouble, language: str) -> str:
    kind = str(trouble.details.get("cause", "unknown"))
    return CAUSES[language][kind].format(number=trouble.details.get("number", ""))


def _said(trouble: Trouble, settings: Settings) -> str:
    said = redact(str(trouble.details.get("said", "")), settings.secrets)
    return f"{trouble.details.get('check', trouble.subject)}: {said}" if said else str(trouble.subject)


def _by_entity(trouble: Trouble, language: str) -> str:
    counts = [(name, count) for name, count in trouble.details.items() if name in NAMES["en"]]
    return ", ".join(f"{entity_name(NAMES[language], name)} {count}" for name, count in counts)


def _when(instant: datetime) -> str:
    return f"{montreal_time(instant):%Y-%m-%d %H:%M}"
