"""What shop staff read about a push."""

from __future__ import annotations

from gazelle_sync.i18n.translator import Message, translator

MESSAGES = {
    "unknown_status": Message("The status {value!r} is unknown: write one of {known}."),
    "no_instant": Message(
        "{column} says {value!r}, which is no instant that Gazelle can know: write a day and an hour, such as "
        "2026-11-20 14:30, and the row goes."
    ),
    "twins": Message(
        "Several rows have the {column} {value}, and only one can speak of that record: put what counts into one of "
        "them and delete the others. Until then none of them is sent."
    ),
    "nameless": Message(
        "This row has no {column}: nobody can tell which record at Gazelle it speaks of. Fill it in, or delete the row."
    ),
    "no_price": Message("{value!r} is no price: write an amount in dollars, 0 or more, such as 125.00."),
    "no_day": Message("{value!r} is no day: write one such as 2026-11-20."),
    "no_number": Message("{value!r} is no whole number."),
    "no_list": Message("{value!r} is no list of texts."),
    "earlier_doubt": Message(
        "An earlier change of the same visit ({action}) was sent, and no answer came: it may still arrive until "
        "{until} (Montreal). The push after that sends this one."
    ),
    "archived": Message(
        "Gazelle has archived {id}, and takes no changes of it until it is restored there. Restore it, or put back "
        "what the row said."
    ),
    "final": Message(
        "Gazelle has it as {value!r}, and takes no change of it: put that back here. What else is to be said belongs "
        "in a row of its own."
    ),
    "no_parent": Message("The record that this one belongs to is not at Gazelle yet: once it is, this one goes too."),
    "parent_taken_back": Message(
        "The record that this one belongs to was taken back, and is not made again by itself. If it is wanted after "
        "all, edit its row, and both go; if not, delete this row."
    ),
    "parent_gone": Message(
        "The row that this one belongs to is not here, so its record cannot be made: name another one in {column}, put "
        "that row back, or delete this one."
    ),
    "emptied_tags": Message(
        "Gazelle shows no tags at all for this piano, though it had {known}. That may be a fault of the API, so "
        "nothing is written over it: the status goes once a pull has seen the same (gazelle-sync sync)."
    ),
    "emptied_notes": Message(
        "Gazelle shows empty notes for this piano, though there was text. That may be a fault of the API, so nothing "
        "is written over it: observations go once a pull has seen the same (gazelle-sync sync)."
    ),
    "many_deletions": Message(
        "{count} of {rows} rows of {table} were deleted here, so many that it may be a slip: their records stay at "
        "Gazelle until a person decides. If it was meant, `gazelle-sync push --allow-deletes` ends them; if not, put "
        "the rows back."
    ),
    "no_record": Message(
        "Gazelle has no {what} {id}. If it was deleted there, delete this row; if the id is mistyped, correct it."
    ),
    "refused": Message("Gazelle refuses {action}: {reason}"),
    "no_answer": Message(
        "{reason} It is not known whether Gazelle took it ({action}): it will be looked for there before it is sent "
        "again."
    ),
    "in_doubt": Message(
        "{reason} It is not known whether Gazelle took it ({action}), and it may still arrive: in doubt until {until} "
        "(Montreal). The push after that looks for it there before it is sent again."
    ),
    "shared_doubt": Message(
        "A visit of that day for another piano of this client may still arrive at Gazelle: in doubt until {until} "
        "(Montreal). The push after that sends {action}."
    ),
    "payment_doubt": Message(
        "Another payment of this invoice may still arrive at Gazelle: in doubt until {until} (Montreal). The push "
        "after that sends {action}, if so much is still due."
    ),
    "forbidden": Message(
        "Gazelle, or a firewall in front of it, forbids {action}, and lets others through: {reason} Perhaps a word in "
        "it is to blame: write it otherwise, or ask Gazelle."
    ),
    "failed": Message("{action} did not succeed: {reason} It will be tried again."),
    "not_arrived": Message("No answer came, and Gazelle does not have it: it is sent again."),
    "unreachable": Message("{reason} Nothing is lost: it will be tried again."),
    "arrived": Message("No answer came; found at Gazelle."),
    "already_sent": Message("Gazelle has it already, since {when}."),
    "keeps_changing": Message("Somebody keeps changing this record at Gazelle. It will be tried again."),
    "entry_stays": Message(
        "The day went back: the service entry of {day} stays at Gazelle beside the new one. If it was a mistake, "
        "delete it there."
    ),
    "unforeseen": Message(
        "Something about this row could not be dealt with ({reason}). The other rows go on; this one will be tried "
        "again. The log file says more."
    ),
    "by_hand": Message("Nobody wrote down under which id Gazelle keeps {action}: delete it there by hand."),
    "changed_since": Message("Put back only in part, or not at all: somebody changed {action} since. That stays."),
    "later_run": Message("Not put back: the later run {run} wrote {action}. That stays; put that run back first."),
    "has_ended": Message("Not put back: {action} cannot be taken back. If it was a mistake, make a new record."),
    "no_deletion": Message("Not put back: {action} stays at Gazelle, where only a person can take it back."),
    "has_children": Message("Not put back: {action} stays as long as Gazelle has something that was made under it."),
    "stays_with_text": Message(
        "Not put back: {action} stays with the text that it belongs to, which stays at Gazelle."
    ),
    "gone": Message("There was nothing to put back: {action} is not at Gazelle any more."),
    "not_put_back": Message("No answer came, and Gazelle still has it: it is not put back. Undo that run once more."),
    "undo_in_doubt": Message(
        "{reason} It is not known whether it was put back ({action}): the next push, or the same undo once more, "
        "looks for it at Gazelle."
    ),
}


def say(language: str, key: str, **values: object) -> str:
    """A sentence.

    Args:
        language: `en` or `fr`.
        key: Which; what only one kind of record says is the sentence itself.
        values: What it names.
    """
    return translator(language)(MESSAGES.get(key, key), **values)
