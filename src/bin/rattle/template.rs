//! The variables that `template.yaml` gives the function for some values of its parameters.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, bail};
use rattle::settings::TOPIC_ARN;
use saphyr::{LoadableYamlNode as _, Yaml};

/// The function's name in `Resources`.
const FUNCTION: &str = "Function";
/// Valid stand-ins for names that AWS chooses when the stack is created.
const SOME_NAME: &str = "rattle-Table-EXAMPLE";
const SOME_TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:rattle-Topic-EXAMPLE";

pub(crate) struct Given {
    pub(crate) variable: String,
    pub(crate) value: String,
    /// Whether the value stands in for one that only the stack knows.
    pub(crate) is_stand_in: bool,
}

/// The `parameter_overrides` of a `samconfig.toml`: a list of `NAME=VALUE`, or one text of
/// them with spaces in between and values in quotes.
pub(crate) fn overrides(text: &str, section: &str) -> Result<Vec<(String, String)>> {
    let config: toml::Table = text.parse()?;
    let section = config.get(section).with_context(|| format!("there is no section {section}"))?;
    let mut found = Vec::new();
    for command in ["global", "deploy"] {
        let overrides = section
            .get(command)
            .and_then(|command| command.get("parameters"))
            .and_then(|parameters| parameters.get("parameter_overrides"));
        let pairs = match overrides {
            None => continue,
            Some(toml::Value::String(text)) => {
                shlex::split(text).context("parameter_overrides has a quote that does not end")?
            }
            Some(toml::Value::Array(pairs)) => pairs
                .iter()
                .map(|pair| pair.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .context("parameter_overrides is a list of NAME=VALUE")?,
            Some(_) => bail!("parameter_overrides is a text or a list"),
        };
        for pair in pairs {
            let (name, value) = pair
                .split_once('=')
                .with_context(|| format!("parameter_overrides: {pair} is not NAME=VALUE"))?;
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

/// The variables of the function with these parameters. The later of two values for one
/// parameter wins.
pub(crate) fn variables(text: &str, given: &[(String, String)]) -> Result<Vec<Given>> {
    let documents = Yaml::load_from_str(text)?;
    let template = documents.first().context("it is empty")?;
    let parameters = Parameters::of(template, given)?;
    let variables = ["Resources", FUNCTION, "Properties", "Environment", "Variables"]
        .iter()
        .try_fold(template, |at, name| get(at, name))
        .and_then(Yaml::as_mapping)
        .with_context(|| format!("it has no resource {FUNCTION} with variables"))?;
    let mut found = Vec::new();
    for (name, value) in variables {
        let variable = name.as_str().context("a variable's name is no text")?.to_owned();
        let value = parameters.value(template, value).with_context(|| variable.clone())?;
        match value {
            Value::Nothing => {}
            Value::Text(value) => found.push(Given { variable, value, is_stand_in: false }),
            Value::OfStack => {
                let value = if variable == TOPIC_ARN.variable { SOME_TOPIC } else { SOME_NAME };
                found.push(Given { variable, value: value.to_owned(), is_stand_in: true });
            }
        }
    }
    Ok(found)
}

enum Value {
    Text(String),
    /// The variable is not set.
    Nothing,
    /// A name that only the stack knows.
    OfStack,
}

/// By name; `None` is a parameter without a default that was not given.
struct Parameters(HashMap<String, Option<String>>);

impl Parameters {
    fn of(template: &Yaml<'_>, given: &[(String, String)]) -> Result<Self> {
        let declared = get(template, "Parameters").and_then(Yaml::as_mapping);
        let mut values = HashMap::new();
        for (name, parameter) in declared.into_iter().flatten() {
            let name = name.as_str().context("a parameter's name is no text")?;
            values.insert(name.to_owned(), get(parameter, "Default").and_then(scalar));
        }
        for (name, value) in given {
            match values.get_mut(name) {
                Some(known) => *known = Some(value.clone()),
                None => bail!("it has no parameter {name}"),
            }
        }
        Ok(Self(values))
    }

    fn value(&self, template: &Yaml<'_>, value: &Yaml<'_>) -> Result<Value> {
        let Yaml::Tagged(tag, argument) = value else {
            return scalar(value).map(Value::Text).context("its value is no text");
        };
        match tag.suffix.as_str() {
            "Ref" => match argument.as_str().unwrap_or_default() {
                "AWS::NoValue" => Ok(Value::Nothing),
                name => match self.0.get(name) {
                    None => Ok(Value::OfStack),
                    Some(Some(value)) => Ok(Value::Text(value.clone())),
                    Some(None) => bail!("the parameter {name} has no default and is not given"),
                },
            },
            "If" => {
                let Some([condition, yes, no]) = argument.as_sequence().map(Vec::as_slice) else {
                    bail!("!If has three members");
                };
                let name = condition.as_str().context("!If begins with a condition")?;
                let condition = get(template, "Conditions")
                    .and_then(|all| get(all, name))
                    .with_context(|| format!("there is no condition {name}"))?;
                let holds = self.holds(template, condition)?;
                self.value(template, if holds { yes } else { no })
            }
            "GetAtt" | "Sub" | "ImportValue" => Ok(Value::OfStack),
            other => Err(anyhow!("!{other} is not understood here")),
        }
    }

    fn holds(&self, template: &Yaml<'_>, condition: &Yaml<'_>) -> Result<bool> {
        let Yaml::Tagged(tag, arguments) = condition else { bail!("a condition is a function") };
        let arguments = arguments.as_sequence().map(Vec::as_slice).unwrap_or_default();
        match (tag.suffix.as_str(), arguments) {
            ("Not", [one]) => Ok(!self.holds(template, one)?),
            ("Equals", [left, right]) => {
                match (self.value(template, left)?, self.value(template, right)?) {
                    (Value::Text(left), Value::Text(right)) => Ok(left == right),
                    _ => bail!("a condition on what only the stack knows"),
                }
            }
            (other, _) => bail!("the condition !{other} is not understood here"),
        }
    }
}

fn get<'a, 'input>(yaml: &'a Yaml<'input>, name: &str) -> Option<&'a Yaml<'input>> {
    yaml.as_mapping_get(name)
}

/// A text, number or boolean, as the text that the function gets.
fn scalar(yaml: &Yaml<'_>) -> Option<String> {
    yaml.as_str()
        .map(str::to_owned)
        .or_else(|| yaml.as_integer().map(|number| number.to_string()))
        .or_else(|| yaml.as_floating_point().map(|number| number.to_string()))
        .or_else(|| yaml.as_bool().map(|truth| truth.to_string()))
}
