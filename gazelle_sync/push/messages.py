"""What shop staff read about a push, in French and English."""

from __future__ import annotations

WORDS = {
    "en": {
        "unknown_status": "The status {value!r} is unknown: write one of {known}.",
        "no_instant": "{column} says {value!r}, which is no instant that Gazelle can know: write a day and an hour, "
        "such as 2026-11-20 14:30, and the row goes.",
        "twins": "Several rows have the {column} {value}, and only one can speak of a piano: put what counts into one "
        "of them and delete the others. Until then none of them is sent.",
        "nameless": "This row has no {column}: nobody can tell which piano it speaks of. Fill it in, or delete "
        "the row.",
        "emptied_tags": "Gazelle shows no tags at all for this piano, though it had {known}. That may be a fault of "
        "the API, so nothing is written over it: the status goes once a pull has seen the same (gazelle-sync sync).",
        "emptied_notes": "Gazelle shows empty notes for this piano, though there was text. That may be a fault of the "
        "API, so nothing is written over it: observations go once a pull has seen the same (gazelle-sync sync).",
        "no_record": "Gazelle has no piano {id}. If it was deleted there, delete this row; if the id is mistyped, "
        "correct it.",
        "refused": "Gazelle refuses {action}: {reason}",
        "no_answer": "{reason} It is not known whether Gazelle took it ({action}): it will be looked for there before "
        "it is sent again.",
        "in_doubt": "{reason} It is not known whether Gazelle took it ({action}), and it may still arrive: in doubt "
        "until {until} (Montreal). The push after that looks for it there before it is sent again.",
        "still_in_doubt": "No answer came ({action}). Gazelle does not have it yet, and it may still arrive: in doubt "
        "until {until} (Montreal). The push after that looks for it there before it is sent again.",
        "shared_doubt": "A visit of that day for another piano of this client may still arrive at Gazelle: in doubt "
        "until {until} (Montreal). The push after that sends {action}.",
        "forbidden": "Gazelle, or a firewall in front of it, forbids {action}, and lets others through: {reason} "
        "Perhaps a word in it is to blame: write it otherwise, or ask Gazelle.",
        "failed": "{action} did not succeed: {reason} It will be tried again.",
        "not_arrived": "No answer came, and Gazelle does not have it: it is sent again.",
        "unreachable": "{reason} Nothing is lost: it will be tried again.",
        "arrived": "No answer came; found at Gazelle.",
        "already_sent": "Gazelle has it already, since {when}.",
        "keeps_changing": "Somebody keeps changing this piano at Gazelle. It will be tried again.",
        "entry_stays": "The day went back: the service entry of {day} stays at Gazelle beside the new one. If it was a "
        "mistake, delete it there.",
        "unforeseen": "Something about this row could not be dealt with ({reason}). The other rows go on; this one "
        "will be tried again. The log file says more.",
        "by_hand": "Nobody wrote down under which id Gazelle keeps {action}: delete it there by hand.",
        "changed_since": "Put back only in part, or not at all: somebody changed {action} since. That stays.",
        "later_run": "Not put back: the later run {run} wrote {action}. That stays; put that run back first.",
        "stays_with_text": "Not put back: {action} stays with the text that it belongs to, which stays at Gazelle.",
        "gone": "There was nothing to put back: {action} is not at Gazelle any more.",
        "not_put_back": "No answer came, and Gazelle still has it: it is not put back. Undo that run once more.",
        "undo_in_doubt": "{reason} It is not known whether it was put back ({action}): the next push, or the same undo "
        "once more, looks for it at Gazelle.",
    },
    "fr": {
        "unknown_status": "Le statut {value!r} est inconnu : écrire {known}.",
        "no_instant": "{column} contient {value!r}, qui n'est pas un instant que Gazelle puisse connaître : écrire un "
        "jour et une heure, par exemple 2026-11-20 14:30, et la ligne partira.",
        "twins": "Plusieurs lignes ont le {column} {value}, et une seule peut parler d'un piano : mettre ce qui compte "
        "dans l'une d'elles et supprimer les autres. D'ici là, aucune n'est envoyée.",
        "nameless": "Cette ligne n'a pas de {column} : personne ne sait de quel piano elle parle. Le remplir, ou "
        "supprimer la ligne.",
        "emptied_tags": "Gazelle ne montre plus aucune étiquette pour ce piano, qui avait {known}. C'est peut-être une "
        "panne de l'API : rien n'est écrit. Le statut partira quand une lecture l'aura confirmé (gazelle-sync sync).",
        "emptied_notes": "Gazelle montre des notes vides pour ce piano, qui avait du texte. C'est peut-être une panne "
        "de l'API : rien n'est écrit. Les observations partiront quand une lecture l'aura confirmé "
        "(gazelle-sync sync).",
        "no_record": "Gazelle n'a pas de piano {id}. S'il y a été supprimé, supprimer cette ligne ; si l'identifiant "
        "est mal tapé, le corriger.",
        "refused": "Gazelle refuse {action} : {reason}",
        "no_answer": "{reason} On ne sait pas si Gazelle l'a reçu ({action}) : on le cherchera là-bas avant de le "
        "renvoyer.",
        "in_doubt": "{reason} On ne sait pas si Gazelle l'a reçu ({action}), et il peut encore arriver : en suspens "
        "jusqu'au {until} (Montréal). L'envoi suivant le cherchera là-bas avant de le renvoyer.",
        "still_in_doubt": "Aucune réponse n'est venue ({action}). Gazelle ne l'a pas encore, et il peut encore "
        "arriver : en suspens jusqu'au {until} (Montréal). L'envoi suivant le cherchera là-bas avant de le renvoyer.",
        "shared_doubt": "Une visite de ce jour pour un autre piano de ce client peut encore arriver chez Gazelle : en "
        "suspens jusqu'au {until} (Montréal). L'envoi suivant enverra {action}.",
        "forbidden": "Gazelle, ou un pare-feu devant lui, interdit {action} et laisse passer les autres : {reason} "
        "C'est peut-être à cause d'un mot : l'écrire autrement, ou demander à Gazelle.",
        "failed": "{action} n'a pas réussi : {reason} Un autre essai suivra.",
        "not_arrived": "Aucune réponse n'est venue, et Gazelle ne l'a pas : c'est renvoyé.",
        "unreachable": "{reason} Rien n'est perdu : un autre essai suivra.",
        "arrived": "Aucune réponse n'est venue ; trouvé chez Gazelle.",
        "already_sent": "Gazelle l'a déjà, depuis le {when}.",
        "keeps_changing": "Quelqu'un modifie sans cesse ce piano chez Gazelle. Un autre essai suivra.",
        "entry_stays": "Le jour a reculé : l'entrée de service du {day} reste chez Gazelle à côté de la nouvelle. Si "
        "c'était une erreur, la supprimer là-bas.",
        "unforeseen": "Quelque chose dans cette ligne n'a pas pu être traité ({reason}). Les autres lignes suivent "
        "leur cours ; un autre essai suivra pour celle-ci. Le journal en dit plus.",
        "by_hand": "Personne n'a noté sous quel identifiant Gazelle garde ceci : {action}. Le supprimer là-bas à la "
        "main.",
        "changed_since": "Remis en partie seulement, ou pas du tout : quelqu'un a modifié {action} depuis. Cela reste.",
        "later_run": "Pas remis : l'envoi suivant {run} a écrit {action}. Cela reste ; annuler cet envoi-là d'abord.",
        "stays_with_text": "Pas remis : {action} reste avec son texte, qui reste chez Gazelle.",
        "gone": "Il n'y avait rien à remettre : {action} n'est plus chez Gazelle.",
        "not_put_back": "Aucune réponse n'est venue, et Gazelle l'a encore : rien n'est remis. Annuler cet envoi "
        "encore une fois.",
        "undo_in_doubt": "{reason} On ne sait pas si c'est remis ({action}) : l'envoi suivant, ou la même annulation "
        "encore une fois, le cherchera chez Gazelle.",
    },
}

ACTIONS = {
    "en": {
        "update_tags": "the tags", "update_piano": "the piano's notes", "add_comment": "the comment",
        "add_service": "the service entry", "add_measurement": "the measurement", "read": "the reading",
        "set_serviced": "the day of the last service",
    },
    "fr": {
        "update_tags": "les étiquettes", "update_piano": "les notes du piano", "add_comment": "le commentaire",
        "add_service": "l'entrée de service", "add_measurement": "la mesure", "read": "la lecture",
        "set_serviced": "le jour du dernier service",
    },
}  # fmt: skip


def say(language: str, key: str, **values: object) -> str:
    """A sentence.

    Args:
        language: `en` or `fr`.
        key: Which.
        values: What it names.
    """
    return WORDS[language][key].format(**values)


def action_name(language: str, name: str) -> str:
    """What staff call an action; a new one goes by its own name."""
    bare = name.removeprefix("undo_")
    return ACTIONS[language].get(bare, bare)
