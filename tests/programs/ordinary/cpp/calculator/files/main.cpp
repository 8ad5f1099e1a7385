#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <string>
#include <vector>

struct Operator {
    int precedence;
    bool right;
    std::function<double(double, double)> apply;
};

static const std::map<char, Operator> operators{
    {'+', {1, false, std::plus<>{}}},
    {'-', {1, false, std::minus<>{}}},
    {'*', {2, false, std::multiplies<>{}}},
    {'/', {2, false, [](double a, double b) { return b == 0 ? throw std::domain_error("division by zero") : a / b; }}},
    {'^', {3, true, [](double a, double b) { return std::pow(a, b); }}},
};

class Calculator {
    std::map<std::string, double> variables_{{"pi", std::acos(-1.0)}};

    static void reduce(std::stack<char>& waiting, std::vector<double>& values) {
        if (values.size() < 2) throw std::invalid_argument("operand missing");
        double right = values.back();
        values.pop_back();
        values.back() = operators.at(waiting.top()).apply(values.back(), right);
        waiting.pop();
    }

  public:
    double evaluate(const std::string& line) {
        auto equals = line.find('=');
        if (equals != std::string::npos) {
            std::string name;
            std::istringstream(line.substr(0, equals)) >> name;
            return variables_[name] = evaluate(line.substr(equals + 1));
        }
        std::stack<char> waiting;
        std::vector<double> values;
        std::istringstream in(line);
        for (char c; in >> c;) {
            if (std::isdigit(static_cast<unsigned char>(c))) {
                in.putback(c);
                in >> values.emplace_back();
            } else if (std::isalpha(static_cast<unsigned char>(c))) {
                std::string name(1, c);
                while (std::isalnum(in.peek())) name += static_cast<char>(in.get());
                if (!variables_.contains(name)) throw std::out_of_range("unknown " + name);
                values.push_back(variables_.at(name));
            } else if (c == '(') {
                waiting.push(c);
            } else if (c == ')') {
                while (!waiting.empty() && waiting.top() != '(') reduce(waiting, values);
                if (waiting.empty()) throw std::invalid_argument("( missing");
                waiting.pop();
            } else if (auto found = operators.find(c); found != operators.end()) {
                auto stronger = [&](char other) {
                    if (other == '(') return false;
                    int theirs = operators.at(other).precedence;
                    return found->second.right ? theirs > found->second.precedence : theirs >= found->second.precedence;
                };
                while (!waiting.empty() && stronger(waiting.top())) reduce(waiting, values);
                waiting.push(c);
            } else {
                throw std::invalid_argument(std::string("unexpected ") + c);
            }
        }
        while (!waiting.empty()) {
            if (waiting.top() == '(') throw std::invalid_argument(") missing");
            reduce(waiting, values);
        }
        if (values.size() != 1) throw std::invalid_argument("one value expected");
        return values.front();
    }
};

int main() {
    Calculator calculator;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            std::cout << std::setprecision(10) << calculator.evaluate(line) << '\n';
        } catch (const std::exception& error) {
            std::cout << "error: " << error.what() << '\n';
        }
    }
}
