import java.util.Arrays;

public class Main {
    public static void main(String[] args) {
        int[] numbers = new int[1_000_000];
        long state = 42;
        for (int n = 0; n < numbers.length; n++) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            numbers[n] = (int) (state >>> 32);
        }
        int[] library = numbers.clone();
        Arrays.sort(library);
        mergeSort(numbers, new int[numbers.length], 0, numbers.length);
        System.out.println(Arrays.equals(numbers, library));
        System.out.println(numbers[0] + " " + numbers[500_000] + " " + numbers[999_999] + " " + Arrays.hashCode(numbers));
    }

    private static void mergeSort(int[] numbers, int[] spare, int from, int to) {
        if (to - from < 2) return;
        int middle = (from + to) >>> 1;
        mergeSort(numbers, spare, from, middle);
        mergeSort(numbers, spare, middle, to);
        System.arraycopy(numbers, from, spare, from, to - from);
        for (int left = from, right = middle, at = from; at < to; at++) {
            boolean takeLeft = right >= to || left < middle && spare[left] <= spare[right];
            numbers[at] = takeLeft ? spare[left++] : spare[right++];
        }
    }
}
