//! `rattle seed`. Without the feature `seed`, which brings the client of DynamoDB, the command
//! only says how to get it.

use clap::Args;

use crate::input::{InputArgs, SettingArgs};

/// Write the baselines of a history into the function's table: a warm start
///
/// Replays the history and stores the state of each principal, so that the function knows from
/// its first day what is usual. Conditional: what the table holds stays if it is as new, goes
/// further back, or has a finding that waits to be sent. Give the settings that the function
/// has.
///
/// Needs the feature `seed`, and in the environment `AWS_REGION` and credentials, as below. They
/// are not looked for anywhere else.
#[derive(Args)]
#[command(after_help = "\
To get the feature, from a clone of the repository:
  cargo install --locked --path . --features seed

Examples:
  eval \"$(aws configure export-credentials --format env)\"
  export AWS_REGION=eu-west-1
  aws cloudtrail lookup-events --output json \\
    --lookup-attributes AttributeKey=EventName,AttributeValue=GetSecretValue > history.json
  rattle seed history.json --table TABLE --dry-run
  rattle seed history.json --table TABLE")]
pub(crate) struct SeedArgs {
    #[command(flatten)]
    input: InputArgs,
    /// The function's table, as the stack's output `TableName` says
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Read the table and say what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

#[cfg(not(feature = "seed"))]
pub(crate) fn run(_: SeedArgs) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!(
        "this build has no client of DynamoDB; build it with\n  \
         cargo install --locked --path . --features seed"
    )
}

#[cfg(feature = "seed")]
pub(crate) use write::run;

#[cfg(feature = "seed")]
mod write {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::process::ExitCode;
    use std::rc::Rc;

    use anyhow::{Context, Result};
    use jiff::Timestamp;
    use rattle::aws::Environment;
    use rattle::replay::states;
    use rattle::settings::TABLE_NAME;
    use rattle::store::StoredState;
    use rattle::store::dynamodb::{DynamoDbStore, Seeded};
    use tokio::task::{JoinSet, LocalSet};

    use super::SeedArgs;
    use crate::input::whole_history;
    use crate::print;

    /// Concurrent requests.
    const IN_FLIGHT: usize = 16;

    pub(crate) fn run(args: SeedArgs) -> Result<ExitCode> {
        let table = (TABLE_NAME.variable.to_owned(), args.table);
        let settings = args.settings.read_with([table])?;
        let table = settings.table_name.clone().context("--table is empty")?;
        let environment = Environment::read(|name| std::env::var(name).ok())?;
        let (history, _) = whole_history(&args.input.into_input(), &settings)?;
        let states = states(&history, &settings)?;
        let store = DynamoDbStore::new(environment.dynamodb(), table);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seeded = runtime.block_on(seed(store, states, now(), args.dry_run))?;
        print(summary(&seeded, args.dry_run).as_bytes())
    }

    async fn seed(
        store: DynamoDbStore,
        states: Vec<StoredState>,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<BTreeMap<Seeded, u64>> {
        let store = Rc::new(store);
        let seed_all = async {
            let mut states = states.into_iter();
            let mut running = JoinSet::new();
            let mut seeded = BTreeMap::new();
            loop {
                while running.len() < IN_FLIGHT
                    && let Some(stored) = states.next()
                {
                    let store = Rc::clone(&store);
                    running.spawn_local(async move {
                        let seeded = store.seed(&stored, now, dry_run).await;
                        seeded.with_context(|| format!("the state of {}", stored.key))
                    });
                }
                let Some(one) = running.join_next().await else { return Ok(seeded) };
                *seeded.entry(one??).or_default() += 1;
            }
        };
        LocalSet::new().run_until(seed_all).await
    }

    fn summary(seeded: &BTreeMap<Seeded, u64>, dry_run: bool) -> String {
        let count = |wanted: &dyn Fn(Seeded) -> bool| -> u64 {
            seeded.iter().filter(|(one, _)| wanted(**one)).map(|(_, n)| n).sum()
        };
        let all = count(&|_| true);
        let stored = count(&Seeded::is_stored);
        let would = if dry_run { "would be written" } else { "written" };
        let mut text = format!("{stored} of {all} principals {would}\n");
        for one in Seeded::ALL {
            if let Some(n) = seeded.get(&one) {
                let _ = writeln!(text, "{n:>8} {}", one.in_words());
            }
        }
        text
    }

    #[expect(clippy::disallowed_methods, reason = "the table may hold expired states")]
    fn now() -> Timestamp {
        Timestamp::now()
    }
}
