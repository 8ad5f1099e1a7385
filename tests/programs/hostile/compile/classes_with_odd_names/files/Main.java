public class Main {
    static class $ {}

    static class _$_ {}

    static class Größe {}

    static class 名前 {}

    static class \u0041lpha {}

    static class con {}

    static class CON {}

    static class AVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongName {}

    public static void main(String[] args) throws Exception {
        Object[] all = {new $(), new _$_(), new Größe(), new 名前(), new Alpha(), new con(), new CON(),
            new AVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongNameAVeryLongName()};
        for (Object one : all) {
            Class.forName(one.getClass().getName());
        }
        System.out.println(all.length + " classes");
    }
}
