//! The engine that runs a script.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::EvalOptions;
use rquickjs::{
    CatchResultExt as _, CaughtError, Context, Ctx, Function, Object, Promise, Runtime, Value,
};

use crate::limits::STACK;
use crate::message::Start;

/// Lines to and from the gateway.
pub(super) trait Channel: Clone + 'static {
    /// Sends a line.
    fn send(&mut self, line: &str);

    /// Waits for a line; `None` if the gateway waits for nothing any more.
    fn receive(&mut self) -> Option<String>;
}

/// Runs a script, and sends what it returns or why it has failed.
///
/// # Errors
///
/// The engine has no memory to begin with.
pub(super) fn run(start: &Start, channel: impl Channel) -> Result<(), rquickjs::Error> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(start.memory);
    runtime.set_max_stack_size(STACK);
    let clock = Clock::new(Duration::from_secs(start.processor));
    let watch = clock.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || watch.is_over())));
    let context = Context::full(&runtime)?;
    context.with(|ctx| {
        let script = Script {
            environment: environment(&ctx, start, channel.clone())?,
            channel,
            clock,
        };
        let ended = script.run(&ctx, &start.source);
        if let Err(error) = ended.catch(&ctx) {
            script.fail(&error);
        }
        Ok::<_, rquickjs::Error>(())
    })?;
    // What a script has left behind ends with its process; the engine need not clean up.
    std::mem::forget(context);
    std::mem::forget(runtime);
    Ok(())
}

/// Creates the globals of a script, and returns the functions that end it.
fn environment<'js>(
    ctx: &Ctx<'js>,
    start: &Start,
    channel: impl Channel,
) -> Result<Object<'js>, rquickjs::Error> {
    let prelude: Function<'js> = ctx.eval(include_str!("prelude.js"))?;
    let channel = RefCell::new(channel);
    let send = Function::new(ctx.clone(), move |line: String| {
        channel.borrow_mut().send(&line);
    })?;
    let tools = serde_json::to_string(&start.tools).unwrap_or_default();
    let limits = Object::new(ctx.clone())?;
    limits.set("result", start.max_result)?;
    limits.set("console", start.max_console)?;
    limits.set("error", start.max_error)?;
    prelude.call((send, ctx.json_parse(tools)?, limits))
}

/// A script that runs.
struct Script<'js, C> {
    environment: Object<'js>,
    channel: C,
    clock: Clock,
}

impl<'js, C: Channel> Script<'js, C> {
    /// Runs the source, and answers calls until it has ended.
    fn run(&self, ctx: &Ctx<'js>, source: &str) -> Result<(), rquickjs::Error> {
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some("script".to_owned());
        let main: Promise<'js> = ctx.eval_with_options(as_function(source), options)?;
        let finish: Function<'js> = self.environment.get("finish")?;
        let fail: Function<'js> = self.environment.get("fail")?;
        main.then()?.call::<_, Value<'js>>((
            rquickjs::function::This(main.clone()),
            finish,
            fail,
        ))?;
        let settle: Function<'js> = self.environment.get("settle")?;
        loop {
            while ctx.execute_pending_job() {
                self.clock.check(ctx)?;
            }
            self.clock.check(ctx)?;
            if self.asks("isDone")? {
                return Ok(());
            }
            if !self.asks("isWaiting")? {
                let message =
                    "the script waits for something that never happens, or its memory is exhausted";
                return Err(rquickjs::Exception::throw_message(ctx, message));
            }
            let mut channel = self.channel.clone();
            let Some(line) = self.clock.paused(|| channel.receive()) else {
                return Ok(());
            };
            settle.call::<_, ()>((line,))?;
        }
    }

    fn asks(&self, question: &str) -> Result<bool, rquickjs::Error> {
        let question: Function<'js> = self.environment.get(question)?;
        question.call(())
    }

    /// Sends why the script has failed.
    fn fail(&self, error: &CaughtError<'js>) {
        let text = match error {
            _ if self.clock.is_over() => self.clock.message(),
            CaughtError::Exception(exception) => {
                let fail = self.environment.get::<_, Function<'js>>("fail");
                let told =
                    fail.and_then(|fail| fail.call::<_, ()>((exception.clone().into_object(),)));
                if told.is_ok() {
                    return;
                }
                exception.message().unwrap_or_default()
            }
            CaughtError::Value(_) | CaughtError::Error(_) => {
                "the script has failed, probably because its memory was exhausted".to_owned()
            }
        };
        let line = serde_json::json!({ "error": text });
        self.channel.clone().send(&line.to_string());
    }
}

/// Returns the program that runs a source as the body of an asynchronous function. A source that is
/// such a function, as models also write them, is called.
///
/// Lines keep their numbers.
fn as_function(source: &str) -> String {
    let trimmed = source.trim().trim_end_matches(';');
    let begins = |start: &str| trimmed.starts_with(start);
    let is_function =
        (begins("async (") || begins("async(") || begins("() =>")) && trimmed.ends_with('}');
    match is_function {
        true => format!("(async () => {{ return await ({trimmed}\n)(); }})()"),
        false => format!("(async () => {{ {source}\n}})()"),
    }
}

/// Time that a script has run, without its waits.
#[derive(Clone)]
struct Clock(Rc<ClockState>);

struct ClockState {
    limit: Duration,
    resumed: Cell<Instant>,
    used: Cell<Duration>,
}

impl Clock {
    fn new(limit: Duration) -> Self {
        Self(Rc::new(ClockState {
            limit,
            resumed: Cell::new(Instant::now()),
            used: Cell::default(),
        }))
    }

    fn is_over(&self) -> bool {
        self.0.used.get() + self.0.resumed.get().elapsed() > self.0.limit
    }

    fn paused<T>(&self, wait: impl FnOnce() -> T) -> T {
        let used = self.0.used.get() + self.0.resumed.get().elapsed();
        self.0.used.set(used);
        let result = wait();
        self.0.resumed.set(Instant::now());
        result
    }

    fn check(&self, ctx: &Ctx<'_>) -> Result<(), rquickjs::Error> {
        match self.is_over() {
            true => Err(rquickjs::Exception::throw_message(ctx, &self.message())),
            false => Ok(()),
        }
    }

    fn message(&self) -> String {
        format!(
            "the script has run for {} seconds without waiting for a call",
            self.0.limit.as_secs()
        )
    }
}
