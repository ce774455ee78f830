//! Expressions of the requests to DynamoDB, each sent as it stands. They name attributes
//! directly, save those that are reserved words of DynamoDB, and the slot of the evidence,
//! which varies.

/// Counts a denial in the open window. `:recent` is 0 for one that arrived too late to be part
/// of a burst.
pub const COUNT: &str = "ADD #version :one, n_5m :recent, n_1h :one, n_1d :one, ids :id \
                         SET #evidence = :evidence";
/// The same for a denial that names secrets.
pub const COUNT_SECRETS: &str = "ADD #version :one, n_5m :recent, n_1h :one, n_1d :one, \
                                 ids :id, secrets :secrets SET #evidence = :evidence";
/// The item is of this format, its window is this one or newer and not full, and the event is
/// new.
pub const COUNTS: &str = "#format = :format AND expires_at > :now AND #window >= :window \
                          AND size(ids) < :cap AND NOT contains(ids, :digest) \
                          AND NOT contains(ids_prev, :digest)";
/// The same for a denial of a newer window, while a waiting finding holds this one open.
pub const COUNTS_HELD: &str = "#format = :format AND expires_at > :now AND \
                               #window = :window AND attribute_exists(pending) AND \
                               size(ids) < :cap AND NOT contains(ids, :digest) AND \
                               NOT contains(ids_prev, :digest)";
/// No item, or one that has expired.
pub const IS_NEW: &str = "attribute_not_exists(principal) OR expires_at <= :now";
/// The item is as it was read. An operator sets a mute, perhaps without a new version.
pub const IS_UNCHANGED: &str = "#version = :version AND #format = :format AND \
                                (attribute_not_exists(muted_until) OR \
                                muted_until = :muted_until)";
/// The same for an item that was read with a mute, which may have been lifted.
pub const IS_UNCHANGED_MUTED: &str = "#version = :version AND #format = :format AND \
                                      muted_until = :muted_until";
/// Puts a finding into the outbox, with what was reported.
pub const CLAIM: &str = "SET alert_seq = :next, pending = :pending, episode = :episode, \
                         tally = :tally, alert_window = :alert_window, hit_window = :hit_window, \
                         alert_count = :alert_count, told = :told ADD #version :one";
/// The same, with the reference for held reports.
pub const CLAIM_WORKLOAD: &str = "SET alert_seq = :next, pending = :pending, \
                                  episode = :episode, tally = :tally, \
                                  told_workload = :told_workload, \
                                  alert_window = :alert_window, hit_window = :hit_window, \
                                  alert_count = :alert_count, told = :told ADD #version :one";
/// Nobody else claimed, the assessed window is still open, and no hit was recorded since.
pub const IS_CLAIMABLE: &str = "alert_seq = :seq AND #window = :window AND \
                                hit_window = :noted AND attribute_not_exists(pending)";
/// Records the window of the last hit, by signal. Another invocation may have recorded the
/// other signal's, which is left alone.
pub const RECORD_HIT: [&str; 2] =
    ["SET hit_window[0] = :hit ADD #version :one", "SET hit_window[1] = :hit ADD #version :one"];
/// The same for both.
pub const RECORD_HITS: &str = "SET hit_window[0] = :hit, hit_window[1] = :hit ADD #version :one";
/// The state is the one that was assessed.
pub const IS_ASSESSED: &str = "alert_seq = :seq AND #window = :window";
/// Empties the outbox.
pub const CONFIRM: &str = "REMOVE pending ADD #version :one";
/// Empties the outbox of a finding that was over its hour's limit.
pub const SUPPRESS: &str = "REMOVE pending ADD #version :one, suppressed :one";
/// The outbox still holds the finding that was sent.
pub const IS_UNCONFIRMED: &str = "alert_seq = :seq AND attribute_exists(pending)";
/// Admits an alert to those of its hour.
pub const ADMIT: &str = "ADD alerts :id SET expires_at = :expires_at";
/// The hour is not spent, or the alert was admitted before.
pub const IS_ADMITTED: &str = "attribute_not_exists(alerts) OR size(alerts) < :limit OR \
                               contains(alerts, :digest)";
/// Makes a finding the one that announces the storm.
pub const ANNOUNCE: &str = "SET storm = :digest, expires_at = :expires_at";
/// No other finding announces it.
pub const IS_ANNOUNCER: &str = "attribute_not_exists(storm) OR storm = :digest";
/// Records an episode whose first alert is about to be sent.
pub const RECORD_NEW_EPISODE: &str = "SET #format = :format, expires_at = :expires_at, agenda = :agenda, due = :due, \
     episode = :episode, finding_id = :id, finding = :finding, claimed_at = :claimed_at \
     REMOVE ending, secrets_read, read_ids, first_read, last_read, let_in";
/// No episode is recorded, or another one by an older finding.
pub const IS_NEW_EPISODE: &str = "attribute_not_exists(episode) OR \
                                  (episode <> :episode AND claimed_at <= :claimed_at)";
/// Records a further finding of an episode.
pub const RECORD_EPISODE: &str = "SET #format = :format, expires_at = :expires_at, agenda = :agenda, due = :due, \
     episode = :episode, finding_id = :id, finding = :finding, claimed_at = :claimed_at \
     REMOVE ending";
/// This episode is recorded, by an older finding or by this one.
pub const IS_SAME_EPISODE: &str = "episode = :episode AND claimed_at <= :claimed_at";
/// Records a secret that was read while an episode is open.
pub const RECORD_READ: &str = "ADD secrets_read :secrets, read_ids :id \
                             SET first_read = :first, last_read = :last";
/// The episode is open, and the event is new.
pub const IS_READABLE: &str = "episode = :episode AND attribute_exists(agenda) AND \
                               (attribute_not_exists(read_ids) OR (size(read_ids) < :cap AND \
                               NOT contains(read_ids, :digest)))";
/// Leases an access after denial.
pub const LEASE_ACCESS: &str = "SET let_in = :let_in";
/// Nobody leased it, or this delivery did, or the lease is over; and it is not confirmed.
pub const IS_ACCESS_LEASABLE: &str = "episode = :episode AND (attribute_not_exists(let_in) OR \
     (attribute_not_exists(let_in.#done) AND (let_in.#by = :digest OR let_in.#at <= :stale)))";
/// Confirms an access after denial.
pub const CONFIRM_ACCESS: &str = "SET let_in.#done = :done";
/// It was leased.
pub const IS_ACCESS_LEASED: &str = "episode = :episode AND attribute_exists(let_in)";
/// What an agenda holds for now or earlier.
pub const IS_DUE: &str = "agenda = :agenda AND due <= :now";
/// Puts off the next check of an episode.
pub const CHECK_AGAIN: &str = "SET due = :due";
/// The episode did not grow.
pub const IS_SAME_FINDING: &str = "finding_id = :id";
/// Leases the resolution of an episode.
pub const LEASE_RESOLUTION: &str = "SET ending = :ending";
/// The episode did not grow, and nobody holds the lease of its resolution.
pub const IS_RESOLVABLE: &str =
    "finding_id = :id AND (attribute_not_exists(ending) OR ending.#at <= :stale)";
/// Takes a resolved episode off the agenda.
pub const CONFIRM_RESOLUTION: &str = "REMOVE agenda, due, ending";
/// The episode did not grow, and its resolution was leased.
pub const IS_RESOLUTION_LEASED: &str = "finding_id = :id AND attribute_exists(ending)";
/// Adds denials that an entry of `RATTLE_IGNORE` matched to those of their week.
pub const ADD_IGNORED: &str = "ADD denials :denials SET entry = :entry, agenda = :agenda, \
                               due = if_not_exists(due, :due), expires_at = :expires_at";
/// What an agenda holds from one time to another.
pub const IS_OF_WEEK: &str = "agenda = :agenda AND due BETWEEN :begin AND :end";
