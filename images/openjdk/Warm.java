// What a waiting javac compiles to warm up. A larger one costs more than it saves: of a small
// program it saves nothing more.

class Warm {
    public static void main(String[] args) {
        System.out.println("warm " + args.length);
    }
}
