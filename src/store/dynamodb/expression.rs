//! Expressions of the requests to DynamoDB, each sent as it stands. Attributes stand in them
//! by name: only those that are reserved words of DynamoDB need a placeholder, and the slot of
//! an evidence, which differs.

/// Counts a denial in the open window. `n_5m` is added to in any case, by 0 if the denial
/// came too late to be part of a burst.
pub const COUNT: &str = "ADD #version :one, n_5m :recent, n_1h :one, n_1d :one, ids :id \
                         SET #evidence = :evidence";
/// The same for a denial that names secrets.
pub const COUNT_SECRETS: &str = "ADD #version :one, n_5m :recent, n_1h :one, n_1d :one, \
                                 ids :id, secrets :secrets SET #evidence = :evidence";
/// The item is there and of our format, its window is this one or newer, it has room, and the event is new.
pub const COUNTS: &str = "#format = :format AND expires_at > :now AND #window >= :window \
                          AND size(ids) < :cap AND NOT contains(ids, :digest) \
                          AND NOT contains(ids_prev, :digest)";
/// The same for a denial of a newer window, which this window stays open for while a
/// finding waits.
pub const COUNTS_HELD: &str = "#format = :format AND expires_at > :now AND \
                               #window = :window AND attribute_exists(pending) AND \
                               size(ids) < :cap AND NOT contains(ids, :digest) AND \
                               NOT contains(ids_prev, :digest)";
/// No item, or one that has expired.
pub const IS_NEW: &str = "attribute_not_exists(principal) OR expires_at <= :now";
/// The item as it was read. A mute is set by hand, perhaps without a new version.
pub const IS_UNCHANGED: &str = "#version = :version AND #format = :format AND \
                                (attribute_not_exists(muted_until) OR \
                                muted_until = :muted_until)";
/// The same for an item that was read with a mute, which may have been lifted.
pub const IS_UNCHANGED_MUTED: &str = "#version = :version AND #format = :format AND \
                                      muted_until = :muted_until";
/// Stores a finding as pending, with the alert fields that go with it.
pub const CLAIM: &str = "SET alert_seq = :next, pending = :pending, episode = :episode, \
                         tally = :tally, alert_window = :alert_window, hit_window = :hit_window, \
                         alert_count = :alert_count, told = :told ADD #version :one";
/// The same for a broken workload that is told of.
pub const CLAIM_WORKLOAD: &str = "SET alert_seq = :next, pending = :pending, \
                                  episode = :episode, tally = :tally, \
                                  told_workload = :told_workload, \
                                  alert_window = :alert_window, hit_window = :hit_window, \
                                  alert_count = :alert_count, told = :told ADD #version :one";
/// Nobody else claimed, the window that was assessed is still open, and no hit was noted
/// since.
pub const IS_CLAIMABLE: &str = "alert_seq = :seq AND #window = :window AND \
                                hit_window = :noted AND attribute_not_exists(pending)";
/// Stores the window of the last hit, by signal. The other signal's may have been stored
/// meanwhile, and is left alone.
pub const RECORD_HIT: [&str; 2] =
    ["SET hit_window[0] = :hit ADD #version :one", "SET hit_window[1] = :hit ADD #version :one"];
/// The same for both.
pub const RECORD_HITS: &str = "SET hit_window[0] = :hit, hit_window[1] = :hit ADD #version :one";
/// The state that was assessed.
pub const IS_ASSESSED: &str = "alert_seq = :seq AND #window = :window";
/// Takes a published finding away.
pub const CONFIRM: &str = "REMOVE pending ADD #version :one";
/// Takes a finding away that was held back.
pub const SUPPRESS: &str = "REMOVE pending ADD #version :one, suppressed :one";
/// The finding is still the one that was sent.
pub const IS_OURS: &str = "alert_seq = :seq AND attribute_exists(pending)";
/// Admits an alert to those of an hour.
pub const ADMIT: &str = "ADD alerts :id SET expires_at = :expires_at";
/// There is room for it, or it was admitted before.
pub const IS_ADMITTED: &str = "attribute_not_exists(alerts) OR size(alerts) < :limit OR \
                               contains(alerts, :digest)";
/// Makes a finding the one that announces the storm.
pub const ANNOUNCE: &str = "SET storm = :digest, expires_at = :expires_at";
/// None announces it yet, or this one does.
pub const IS_ANNOUNCER: &str = "attribute_not_exists(storm) OR storm = :digest";
/// Notes an episode that is about to be told of for the first time.
pub const RECORD_NEW_EPISODE: &str = "SET #format = :format, expires_at = :expires_at, agenda = :agenda, due = :due, \
     episode = :episode, finding_id = :id, finding = :finding, claimed_at = :claimed_at \
     REMOVE ending, secrets_read, read_ids, first_read, last_read, let_in";
/// None is noted, or another one by an older finding.
pub const IS_NEW_EPISODE: &str = "attribute_not_exists(episode) OR \
                                  (episode <> :episode AND claimed_at <= :claimed_at)";
/// Notes that an episode goes on.
pub const RECORD_EPISODE: &str = "SET #format = :format, expires_at = :expires_at, agenda = :agenda, due = :due, \
     episode = :episode, finding_id = :id, finding = :finding, claimed_at = :claimed_at \
     REMOVE ending";
/// This one is noted, by an older finding or by this one.
pub const IS_SAME_EPISODE: &str = "episode = :episode AND claimed_at <= :claimed_at";
/// Notes a secret that was read while an episode is open.
pub const RECORD_READ: &str = "ADD secrets_read :secrets, read_ids :id \
                             SET first_read = :first, last_read = :last";
/// The episode is open, and the event is new.
pub const IS_READABLE: &str = "episode = :episode AND attribute_exists(agenda) AND \
                               (attribute_not_exists(read_ids) OR (size(read_ids) < :cap AND \
                               NOT contains(read_ids, :digest)))";
/// Stores the finding that a principal was let in.
pub const CLAIM_LET_IN: &str = "SET let_in = :let_in";
/// Nobody claimed it, or whoever did so did not confirm it.
pub const IS_LET_IN_CLAIMABLE: &str = "episode = :episode AND (attribute_not_exists(let_in) OR \
     (attribute_not_exists(let_in.#done) AND (let_in.#by = :digest OR let_in.#at <= :stale)))";
/// Notes that it was sent.
pub const CONFIRM_LET_IN: &str = "SET let_in.#done = :done";
/// It was claimed.
pub const IS_LET_IN: &str = "episode = :episode AND attribute_exists(let_in)";
/// What an agenda has for now or for before.
pub const IS_DUE: &str = "agenda = :agenda AND due <= :now";
/// Looks at an episode again later.
pub const LOOK_AGAIN: &str = "SET due = :due";
/// Nothing new was told of the episode.
pub const IS_SAME_FINDING: &str = "finding_id = :id";
/// Stores the end of an episode that is about to be sent.
pub const CLAIM_END: &str = "SET ending = :ending";
/// Nothing new was told of the episode, and nobody is about to send its end.
pub const IS_ENDABLE: &str =
    "finding_id = :id AND (attribute_not_exists(ending) OR ending.#at <= :stale)";
/// Takes an episode off the agenda.
pub const CONFIRM_END: &str = "REMOVE agenda, due, ending";
/// Nothing new was told of the episode, and its end was claimed.
pub const IS_ENDED: &str = "finding_id = :id AND attribute_exists(ending)";
/// Adds denials of ignored principals to those of a week.
pub const ADD_IGNORED: &str = "ADD denials :denials SET entry = :entry, agenda = :agenda, \
                               due = if_not_exists(due, :due), expires_at = :expires_at";
/// What an agenda has from one time to another.
pub const IS_OF_WEEK: &str = "agenda = :agenda AND due BETWEEN :begin AND :end";
