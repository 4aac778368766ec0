// Logs of Java: java.util.logging in both of its formats, with stack traces. `java -Xlog:all=info Logs.java MESSAGES BYTES` has the
// machine's own beside them.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import java.util.logging.XMLFormatter;

class Logs {
    public static void main(String[] arguments) throws Exception {
        List<String> messages = Files.readAllLines(Path.of(arguments[0]));
        Logger logger = Logger.getLogger("com.example.web.Orders");
        logger.setUseParentHandlers(false);
        for (Formatter formatter : List.of(new SimpleFormatter(), new XMLFormatter())) {
            Handler handler = new ConsoleHandler();
            handler.setFormatter(formatter);
            handler.setLevel(Level.ALL);
            logger.addHandler(handler);
        }
        logger.setLevel(Level.ALL);
        long size = Long.parseLong(arguments[1]);
        for (int number = 0, written = 0; written < size; number++) {
            String message = messages.get(number % messages.size());
            String said = message + " [" + UUID.nameUUIDFromBytes((message + number).getBytes()) + "]";
            if (number % 13 == 0) {
                logger.log(Level.WARNING, said, new IllegalStateException(message));
            } else {
                logger.log(Level.INFO, said, number);
            }
            written += 2 * said.length() + 700;
        }
        System.getProperties().list(System.err);
    }
}
