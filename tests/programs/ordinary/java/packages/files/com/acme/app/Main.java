package com.acme.app;

import com.acme.geometry.Circle;
import com.acme.geometry.Rectangle;
import com.acme.geometry.Shape;
import java.util.Comparator;
import java.util.List;

public class Main {
    public static void main(String[] args) {
        List<Shape> shapes = List.of(new Circle(1.5), new Rectangle(2, 3), new Circle(0.5), new Rectangle(1, 1));
        shapes.stream().sorted(Comparator.comparingDouble(Shape::area)).forEach(Main::show);
        System.out.println(args.length + " " + String.join("|", args));
    }

    private static void show(Shape shape) {
        System.out.printf("%s %.3f%n", shape.getClass().getName(), shape.area());
    }
}
