public class Main {
    public static void main(String[] args) {
        System.out.println("before");
        try {
            Object text = "text";
            System.out.println((Integer) text);
        } catch (ClassCastException cause) {
            throw new IllegalStateException("the outer one", cause);
        }
    }
}
