//! Words that say nothing about a tool.

use std::{collections::HashSet, sync::LazyLock};

static STOP_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    [ENGLISH, GERMAN, SPANISH]
        .iter()
        .flat_map(|words| words.split_whitespace())
        .collect()
});

/// Returns `true` for a word of grammar, or one with which people address an assistant.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}

const ENGLISH: &str = "a about am an and any are aren as at be been being but by can could couldn did didn do \
    does doesn doing don each either else ever for from had has hasn have haven having he help her here him \
    his how i if in into is isn it its itself just kindly let ll may me might mine must my need needs of off \
    on onto or our ours please re really s shall she should so some such t than that the their theirs them \
    then there these they this those through thus to too upon us ve very want wants was wasn we were weren \
    what when where whether which while who whom whose why will with within would wouldn yes you your yours \
    tool tools";

const GERMAN: &str = "aber alle als am an auf aus bei beim bin bis bitte da damit das dass dein deine dem den \
    der des dich die dir doch du durch ein eine einem einen einer eines er es fur gegen gerade gibt habe haben \
    hat hier ich ihm ihn ihr ihre im in ins ist ja kann kannst konnen man mein meine meinem meinen meiner mich \
    mir mit mochte muss nach nicht noch nun nur ob oder ohne schon sein seine sich sie sind so uber um und uns \
    unser unsere vom von vor war was wenn wer wie wird wo wollen wurde zu zum zur";

const SPANISH: &str = "a al algun alguna con como cual cuando de del desde donde e el ella en entre era es esa \
    ese eso esta estan este esto favor fue ha hay la las le les lo los mas me mi mis muy necesito no nos o para \
    pero por porque puede puedes que quiero se ser si sin sobre son su sus te tu tus u un una uno unos y ya yo";
