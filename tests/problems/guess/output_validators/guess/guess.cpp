// Takes: input (the number), judge's answer, directory for feedback; talks to the team over
// standard input and output. Ends with 42 (accepted) or 43 (wrong answer).
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

static const int accepted = 42, wrong = 43, questions_max = 10;

static void reject(const std::string &folder, const std::string &message) {
    std::ofstream(folder + "/judgemessage.txt") << message << '\n';
    std::exit(wrong);
}

int main(int, char **args) {
    int number = 0;
    std::ifstream(args[1]) >> number;
    for (int question = 1; question <= questions_max; ++question) {
        int guess = 0;
        if (!(std::cin >> guess)) reject(args[3], "no number came for question " + std::to_string(question));
        if (guess == number) {
            std::cout << "correct" << std::endl;
            std::string more;
            if (std::cin >> more) reject(args[3], "it went on after the end");
            std::exit(accepted);
        }
        std::cout << (number < guess ? "lower" : "higher") << std::endl;
    }
    reject(args[3], "more questions than there may be");
}
