//! What is run: programs that do next to nothing, so that what is seen is what they run in.

use serde_json::{Value, json};

/// A program, how it is run by hand, and what it says.
#[derive(Debug)]
pub struct Program {
    /// As in tables.
    pub name: &'static str,
    /// Of Enclos.
    pub language: &'static str,
    /// Folder of its image.
    pub image: &'static str,
    /// What its source is called.
    pub file: &'static str,
    pub source: &'static str,
    /// Argument of the compiler beside those that the language has.
    args: &'static [&'static str],
    /// By hand; `None` where there is nothing to compile.
    pub compile: Option<&'static [&'static str]>,
    pub run: &'static [&'static str],
    /// What it writes.
    pub says: &'static str,
    /// Its rounds are this part of the settings'.
    pub rounds_divisor: usize,
}

/// Where the null program stands, ready, in every container and before every bare process.
pub const PREPARED: &str = "null";

/// A program that ends at once, static: nothing but the way to it is in its time.
pub const NULL: Program = Program {
    name: "null",
    language: "c",
    image: "gcc",
    file: "main.c",
    source: "int main(void) { return 0; }\n",
    args: &["-static"],
    compile: None,
    run: &["../null"],
    says: "",
    rounds_divisor: 1,
};

pub const C: Program = Program {
    name: "C",
    language: "c",
    image: "gcc",
    file: "main.c",
    source: "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n",
    args: &[],
    compile: Some(&["gcc", "-std=gnu17", "-O2", "-pipe", "-o", "main", "main.c", "-lm", "-lpthread"]),
    run: &["./main"],
    says: "hello\n",
    rounds_divisor: 1,
};

pub const CPP: Program = Program {
    name: "C++",
    language: "cpp",
    image: "gcc",
    file: "main.cpp",
    source: "#include <iostream>\nint main() { std::cout << \"hello\\n\"; }\n",
    args: &[],
    compile: Some(&["g++", "-std=gnu++20", "-O2", "-pipe", "-o", "main", "main.cpp", "-lpthread"]),
    run: &["./main"],
    says: "hello\n",
    rounds_divisor: 3,
};

pub const CPP_ALL: Program = Program {
    name: "C++, bits/stdc++.h",
    source: "#include <bits/stdc++.h>\nint main() { std::cout << \"hello\\n\"; }\n",
    rounds_divisor: 5,
    ..CPP
};

pub const JAVA: Program = Program {
    name: "Java",
    language: "java",
    image: "openjdk",
    file: "Main.java",
    source: "class Main { public static void main(String[] a) { System.out.println(\"hello\"); } }\n",
    args: &[],
    compile: Some(&["javac", "-encoding", "UTF-8", "-d", ".", "Main.java"]),
    run: &["java", "-cp", ".", "Main"],
    says: "hello\n",
    rounds_divisor: 4,
};

pub const PYTHON: Program = Program {
    name: "Python",
    language: "python",
    image: "python",
    file: "main.py",
    source: "print('hello')\n",
    args: &[],
    compile: None,
    run: &["python3", "-B", "main.py"],
    says: "hello\n",
    rounds_divisor: 1,
};

/// In the order of the tables.
pub const PROGRAMS: [&Program; 6] = [&NULL, &C, &CPP, &CPP_ALL, &JAVA, &PYTHON];

impl Program {
    /// Whether it is there before it is timed, and only run.
    pub fn is_prepared(&self) -> bool {
        self.run[0].ends_with(PREPARED)
    }

    /// The steps by hand.
    pub fn steps(&self) -> impl Iterator<Item = &'static [&'static str]> {
        self.compile.into_iter().chain([self.run])
    }

    /// One line of a shell that does the same with the source in `$SOURCE`.
    pub fn script(&self) -> String {
        let steps: Vec<String> = self.steps().map(|step| step.join(" ")).collect();
        format!("printf %s \"$SOURCE\" > {} && {}", self.file, steps.join(" && "))
    }

    /// As it is submitted; `no_cache` compiles it each time.
    pub fn submission(&self, no_cache: bool) -> Value {
        let mut submission = json!({ "language": self.language, "source": self.source, "no_cache": no_cache });
        if !self.args.is_empty() {
            submission["compile"] = json!({ "args": self.args });
        }
        submission
    }

    /// What it wrote is what it says.
    ///
    /// # Errors
    /// It wrote something else.
    pub fn check(&self, way: &str, said: &[u8]) -> Result<(), String> {
        if said == self.says.as_bytes() {
            return Ok(());
        }
        Err(format!("wrong answer of {} by {way}: {:?}", self.name, String::from_utf8_lossy(said)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_told_with_its_way() {
        assert!(C.check("bare", b"hello\n").is_ok());
        let wrong = C.check("bare", b"hello").unwrap_err();
        assert_eq!(wrong, "wrong answer of C by bare: \"hello\"");
    }

    #[test]
    fn the_script_of_a_program_writes_it_and_does_all_its_steps() {
        assert_eq!(PYTHON.script(), "printf %s \"$SOURCE\" > main.py && python3 -B main.py");
        assert_eq!(C.steps().count(), 2);
        assert!(NULL.is_prepared() && !C.is_prepared());
        assert_eq!(NULL.submission(false)["compile"]["args"][0], "-static");
    }
}
