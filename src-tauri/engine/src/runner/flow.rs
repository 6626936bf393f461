//! Sends the requests of a check in order, keeps what later ones need, cleans up at the end.

use crate::adapters::http::{HttpClient, Request, Unanswered};
use crate::checks::http::{Unfilled, Values, judge_answer, still, waited_for};
use crate::domain::Outcome;
use crate::domain::http::{HttpBody, HttpFlow, HttpStep, Until};
use crate::domain::verification::RequestResult;
use std::time::{Duration, Instant};

/// What became of a flow.
pub struct FlowResult {
    /// What it found, in one value.
    pub now: Option<String>,
    /// What was expected, in one value.
    pub expected: String,
    /// Verdict.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub why: Option<String>,
    /// Its requests.
    pub requests: Vec<RequestResult>,
}

/// Sends the requests of a flow until one is not answered as it should be, then cleans up. `before`: what it found
/// before the newest run.
pub async fn run(flow: &HttpFlow, client: &HttpClient, mut values: Values) -> FlowResult {
    let mut requests = Vec::new();
    for step in &flow.steps {
        let result = send(step, client, &mut values, false).await;
        let well = result.outcome == Outcome::Pass;
        requests.push(result);
        if !well {
            break;
        }
    }
    // What was written is taken back even if the flow broke off; each of these is tried.
    let mut uncleaned: Option<String> = None;
    for step in &flow.cleanup {
        let result = send(step, client, &mut values, true).await;
        // What was never made cannot be taken back.
        if result.outcome != Outcome::Pass && result.tries > 0 && uncleaned.is_none() {
            uncleaned = Some(format!(
                "It could not be cleaned up ({}): {}",
                result.name,
                result.why.clone().unwrap_or_default()
            ));
        }
        requests.push(result);
    }
    summed(flow, requests, uncleaned)
}

fn summed(flow: &HttpFlow, requests: Vec<RequestResult>, uncleaned: Option<String>) -> FlowResult {
    let sent: Vec<&RequestResult> = requests.iter().filter(|request| !request.cleanup).collect();
    let bad = sent.iter().find(|request| request.outcome != Outcome::Pass);
    let well = sent.len() - usize::from(bad.is_some());
    let all = flow.steps.len();
    // The last value that was asked for says most; without one, the only status or how far it came.
    let telling = match bad {
        Some(request) => request.found.iter().find(|found| found.outcome != Outcome::Pass),
        None => sent.last().and_then(|request| match request.found.as_slice() {
            [status] if all == 1 => Some(status),
            [_, .., last] => Some(last),
            _ => None,
        }),
    };
    let (now, expected) = match (telling, bad) {
        (Some(found), _) => (found.now.clone(), found.expected.clone()),
        (None, Some(request)) if request.outcome == Outcome::Unknown => (None, format!("{all} of {all}")),
        _ => (Some(format!("{well} of {all}")), format!("{all} of {all}")),
    };
    let step = |request: &RequestResult| {
        let why = request.why.clone().unwrap_or_default();
        if all > 1 { format!("{}: {why}", request.name) } else { why }
    };
    let (outcome, why) = match (bad, uncleaned) {
        (Some(request), None) => (request.outcome, Some(step(request))),
        (Some(request), Some(uncleaned)) => (Outcome::Block, Some(format!("{} {uncleaned}", step(request)))),
        (None, Some(uncleaned)) => (Outcome::Block, Some(uncleaned)),
        (None, None) => (Outcome::Pass, None),
    };
    FlowResult { now, expected, outcome, why, requests }
}

/// Sends one request, again where it says so, and keeps what later ones need.
pub async fn send(step: &HttpStep, client: &HttpClient, values: &mut Values, cleanup: bool) -> RequestResult {
    let mut result = RequestResult {
        name: step.label(),
        request: step.request(),
        cleanup,
        status: None,
        milliseconds: None,
        tries: 0,
        outcome: Outcome::Unknown,
        why: None,
        found: Vec::new(),
        kept: Vec::new(),
    };
    let started = Instant::now();
    let answer = loop {
        let request = match filled(step, values) {
            Ok(request) => request,
            Err(why) => {
                result.why = Some(format!("It was not sent: {why}."));
                return result;
            }
        };
        result.tries += 1;
        result.status = None;
        result.milliseconds = None;
        let answer = match client.send(request).await {
            Ok(answer) => answer,
            Err(unanswered) => {
                unsettled(&mut result, step, values, &unanswered);
                return result;
            }
        };
        result.status = Some(answer.status);
        result.milliseconds = Some(answer.milliseconds);
        let Some(until) = &step.until else { break answer };
        // A wrong status is not waited out.
        let still = (200..300).contains(&answer.status).then(|| still(until, &answer, values)).flatten();
        match still {
            None => break answer,
            Some(how) if started.elapsed() + Duration::from_secs(until.every_s.into()) > limit(until) => {
                result.outcome = Outcome::Block;
                result.why = Some(format!(
                    "After {} s and {} requests {how}; waited for {}.",
                    started.elapsed().as_secs(),
                    result.tries,
                    waited_for(until, values)
                ));
                return result;
            }
            Some(_) => tokio::time::sleep(Duration::from_secs(until.every_s.into())).await,
        }
    };
    let judged = judge_answer(step, &answer, values);
    result.found = judged.found;
    result.outcome = judged.outcome;
    result.why = judged.why;
    if result.outcome == Outcome::Pass {
        match values.keep(step, &answer) {
            Ok(kept) => result.kept = kept,
            Err(why) => {
                result.outcome = Outcome::Block;
                result.why = Some(why);
            }
        }
    }
    result
}

fn limit(until: &Until) -> Duration {
    Duration::from_secs(until.for_s.into())
}

/// No answer: not known how the app is, unless the answer is slower than it may be already.
fn unsettled(result: &mut RequestResult, step: &HttpStep, values: &Values, why: &Unanswered) {
    result.why = Some(values.shown(&why.to_string()));
    if let (Unanswered::TimedOut(seconds), Some(within)) = (why, step.within_ms)
        && seconds.saturating_mul(1_000) >= u64::from(within)
    {
        result.outcome = Outcome::Block;
        result.why = Some(format!("{why} At most {within} ms were expected."));
    }
}

fn filled(step: &HttpStep, values: &Values) -> Result<Request, Unfilled> {
    let body = match &step.body {
        None => None,
        Some(HttpBody::Json(json)) => Some(("application/json", values.json(json)?.to_string().into_bytes())),
        Some(HttpBody::Text(text)) => Some(("text/plain; charset=utf-8", values.filled(text)?.into_bytes())),
        Some(HttpBody::Form(fields)) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                form.append_pair(name, &values.filled(value)?);
            }
            Some(("application/x-www-form-urlencoded", form.finish().into_bytes()))
        }
    };
    let headers = step.headers.iter().map(|(name, value)| Ok((name.clone(), values.filled(value)?)));
    Ok(Request {
        method: step.method,
        path: values.path(&step.path)?,
        headers: headers.collect::<Result<_, Unfilled>>()?,
        body,
        follow: step.follow,
        give_up: Duration::from_secs(step.give_up_s.into()),
    })
}
