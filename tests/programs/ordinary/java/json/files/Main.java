import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

public class Main {
    public static void main(String[] args) throws Exception {
        String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        for (String line : text.split("\n")) {
            try {
                System.out.println(Writer.write(new Parser(line).whole()));
            } catch (IllegalArgumentException wrong) {
                System.out.println("error: " + wrong.getMessage());
            }
        }
    }
}

class Parser {
    private final String text;
    private int at;

    Parser(String text) {
        this.text = text;
    }

    Object whole() {
        Object value = value();
        if (peek() != 0) throw wrong("the end");
        return value;
    }

    private char peek() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private IllegalArgumentException wrong(String expected) {
        return new IllegalArgumentException("at " + at + " " + expected + " was expected");
    }

    private boolean take(String word) {
        peek();
        if (!text.startsWith(word, at)) return false;
        at += word.length();
        return true;
    }

    private Object value() {
        if (take("null")) return null;
        if (take("true")) return true;
        if (take("false")) return false;
        if (take("\"")) return string();
        if (take("[")) {
            List<Object> list = new ArrayList<>();
            if (take("]")) return list;
            do list.add(value()); while (take(","));
            if (!take("]")) throw wrong("]");
            return list;
        }
        if (take("{")) {
            Map<String, Object> map = new TreeMap<>();
            if (take("}")) return map;
            do {
                if (!take("\"")) throw wrong("a name");
                String name = string();
                if (!take(":")) throw wrong(":");
                map.put(name, value());
            } while (take(","));
            if (!take("}")) throw wrong("}");
            return map;
        }
        int from = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
        if (from == at) throw wrong("a value");
        return Double.valueOf(text.substring(from, at));
    }

    private String string() {
        StringBuilder made = new StringBuilder();
        while (at < text.length() && text.charAt(at) != '"') {
            char c = text.charAt(at++);
            if (c != '\\') {
                made.append(c);
            } else if (text.charAt(at) == 'u') {
                made.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                at += 5;
            } else {
                int known = "nrt".indexOf(text.charAt(at));
                made.append(known < 0 ? text.charAt(at) : "\n\r\t".charAt(known));
                at++;
            }
        }
        if (!take("\"")) throw wrong("\"");
        return made.toString();
    }
}

class Writer {
    static String write(Object value) {
        if (value instanceof String text) return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
        if (value instanceof Double number && number == Math.rint(number)) return String.valueOf(number.longValue());
        if (value instanceof List<?> list) return "[" + String.join(",", list.stream().map(Writer::write).toList()) + "]";
        if (value instanceof Map<?, ?> map) {
            return "{" + String.join(",", map.entrySet().stream().map(e -> write(e.getKey()) + ":" + write(e.getValue())).toList()) + "}";
        }
        return String.valueOf(value);
    }
}
